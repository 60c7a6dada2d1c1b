// The border to Python: arrays in with checks, arrays out without copies, interrupts from the interpreter.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "normed_rows.hpp"
#include "parallel.hpp"
#include "span.hpp"

namespace fr {

namespace py = pybind11;

template <typename T>
using Array = py::array_t<T, py::array::c_style>;
using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;
using DoubleArray = py::array_t<double, py::array::c_style | py::array::forcecast>;
using IdArray = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
using Threads = std::optional<std::int64_t>;

inline std::string shape_text(const py::array& array) {
  std::string text = "(";
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    text += (axis > 0 ? ", " : "") + std::to_string(array.shape(axis));
  }
  return text + ")";
}

[[noreturn]] inline void reject_array(const char* what, const char* expected, const py::array& array) {
  const std::string message = std::string(what) + ": expected " + expected + ", got dtype " +
                              py::str(array.dtype()).cast<std::string>() + " of shape " + shape_text(array);
  if (array.dtype().kind() == 'f' || array.dtype().kind() == 'i') throw py::value_error(message);
  throw py::type_error(message);
}

// The array as T, C-contiguous: itself if it is that already.
template <typename T>
T converted(const py::array& array) {
  T result = T::ensure(array);
  if (!result) throw std::bad_alloc();
  return result;
}

// Floating rows [N, D], N and D at least 1; other float types are rounded to float32.
inline FloatArray float_rows(const py::array& array, const char* what) {
  if (array.dtype().kind() != 'f' || array.ndim() != 2 || array.shape(0) < 1 || array.shape(1) < 1) {
    reject_array(what, "a float array of shape (N, D) with N, D >= 1", array);
  }
  return converted<FloatArray>(array);
}

inline DoubleArray double_vector(const py::object& numbers, const char* what) {
  const py::array array = py::array::ensure(numbers);
  if (!array) throw py::error_already_set();
  const char kind = array.dtype().kind();
  if ((kind != 'f' && kind != 'i') || array.ndim() > 1) {
    reject_array(what, "a number or a one-dimensional array of numbers", array);
  }
  return converted<DoubleArray>(array);
}

inline IdArray id_vector(const py::object& ids, const char* what) {
  const py::array array = py::array::ensure(ids);
  if (!array) throw py::error_already_set();
  const char kind = array.dtype().kind();
  if ((kind != 'i' && kind != 'u') || array.ndim() != 1) {
    reject_array(what, "a one-dimensional array of integers", array);
  }
  return converted<IdArray>(array);
}

inline void check_scores(const py::array& array, const char* what) {
  if (array.dtype().kind() != 'f' || array.ndim() != 1) {
    reject_array(what, "a one-dimensional array of float scores", array);
  }
}

template <typename T, int Flags>
Span<T> span_of(const py::array_t<T, Flags>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

inline Rows rows_of(const FloatArray& array) {
  return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1))};
}

// Hands the vector's memory to NumPy.
template <typename T>
Array<T> to_array(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  const py::capsule owner(kept, [](void* held) { delete static_cast<std::vector<T>*>(held); });
  return Array<T>(std::move(shape), kept->data(), owner);
}

template <typename T>
Array<T> to_array(std::vector<T>&& values) {
  const auto size = static_cast<py::ssize_t>(values.size());
  return to_array(std::move(values), {size});
}

// Runs work without the GIL; a signal that Python raises on (Ctrl-C) ends it.
template <typename Work>
void run_released(const Threads& threads, const Work& work) {
  if (threads && *threads < 1) {
    throw py::value_error("threads is " + std::to_string(*threads) + ", expected 1 or more");
  }
  Run run;
  run.threads = threads ? static_cast<std::size_t>(*threads) : default_threads();
  run.interrupted = [] {
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
  };
  try {
    const py::gil_scoped_release released;
    work(run);
  } catch (const Interrupted&) {
    throw py::error_already_set();
  }
}

// Calls work with the scores as Span<float>, or Span<double> when they are not float32 or float16.
template <typename Work>
void with_scores(const py::array& scores, const char* what, const Work& work) {
  check_scores(scores, what);
  if (scores.dtype().itemsize() <= static_cast<py::ssize_t>(sizeof(float))) {
    const FloatArray values = converted<FloatArray>(scores);
    work(span_of(values));
  } else {
    const DoubleArray values = converted<DoubleArray>(scores);
    work(span_of(values));
  }
}

}  // namespace fr
