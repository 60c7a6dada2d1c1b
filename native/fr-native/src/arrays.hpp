// The border to Python: arrays in with checks, arrays out without copies, interrupts from the interpreter.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "normed_rows.hpp"
#include "parallel.hpp"
#include "span.hpp"

namespace fr {

namespace py = pybind11;

template <typename T>
using Array = py::array_t<T, py::array::c_style>;

inline std::string text_of(const py::handle& value) { return py::str(value).cast<std::string>(); }

inline std::string shape_text(const py::array& array) {
  std::string text = "(";
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    text += (axis > 0 ? ", " : "") + std::to_string(array.shape(axis));
  }
  return text + ")";
}

[[noreturn]] inline void reject_array(const char* what, const char* expected, const py::array& array) {
  const std::string message = std::string(what) + ": expected " + expected + ", got dtype " +
                              text_of(array.dtype()) + " of shape " + shape_text(array);
  if (array.dtype().kind() == 'f' || array.dtype().kind() == 'i') throw py::value_error(message);
  throw py::type_error(message);
}

[[noreturn]] inline void reject_type(const char* what, const char* expected, const py::handle& object) {
  throw py::type_error(std::string(what) + ": expected " + expected + ", got " +
                       text_of(py::type::handle_of(object).attr("__name__")));
}

// The array itself; of anything else and of masked arrays, whose masks nothing here looks at, an error.
inline py::array given_array(const py::object& object, const char* what, const char* expected) {
  if (!py::isinstance<py::array>(object) || py::hasattr(object, "mask")) reject_type(what, expected, object);
  return py::reinterpret_borrow<py::array>(object);
}

// What NumPy makes of a number, a list or an array.
inline py::array made_array(const py::object& object, const char* what, const char* expected) {
  if (py::isinstance<py::array>(object)) return given_array(object, what, expected);
  try {
    return py::module_::import("numpy").attr("asarray")(object);
  } catch (const py::error_already_set&) {  // a ragged list
    reject_type(what, expected, object);
  }
}

// The array as T, aligned and C-contiguous: itself if it is that already. Whatever NumPy is told to do about
// numbers that overflow or vanish, they become infinite or zero.
template <typename T>
Array<T> converted(const py::array& array) {
  const py::module_ numpy = py::module_::import("numpy");
  const py::object quiet = numpy.attr("errstate")(py::arg("all") = "ignore");
  quiet.attr("__enter__")();
  try {
    const py::object result = numpy.attr("require")(array, py::dtype::of<T>(), "CA");
    quiet.attr("__exit__")(py::none(), py::none(), py::none());
    return result;
  } catch (const py::error_already_set&) {
    quiet.attr("__exit__")(py::none(), py::none(), py::none());
    throw;
  }
}

// Floats as T; one that is finite but infinite as T is an error.
template <typename T>
Array<T> converted_finite(const py::array& array, const char* what) {
  Array<T> result = converted<T>(array);
  if (array.dtype().itemsize() <= static_cast<py::ssize_t>(sizeof(T))) return result;
  const py::module_ numpy = py::module_::import("numpy");
  const py::object lost =
      numpy.attr("flatnonzero")(numpy.attr("isinf")(result) & numpy.attr("isfinite")(array));
  if (py::len(lost) == 0) return result;
  throw py::value_error(std::string(what) + " " + text_of(lost[py::int_(0)]) + " is too large for " +
                        text_of(result.dtype()));
}

// Floating rows [N, D], N and D at least 1; other float types are rounded to float32.
inline Array<float> float_rows(const py::object& object, const char* what) {
  constexpr const char* kExpected = "a float array of shape (N, D) with N, D >= 1";
  const py::array array = given_array(object, what, kExpected);
  if (array.dtype().kind() != 'f' || array.ndim() != 2 || array.shape(0) < 1 || array.shape(1) < 1) {
    reject_array(what, kExpected, array);
  }
  return converted<float>(array);
}

// Rows or, of None, none.
inline Array<float> optional_rows(const py::object& object, const char* what) {
  if (object.is_none()) return Array<float>(std::vector<py::ssize_t>{0, 0});
  return float_rows(object, what);
}

inline Array<double> double_vector(const py::object& numbers, const char* what) {
  constexpr const char* kExpected = "a number or a one-dimensional array of numbers";
  const py::array array = made_array(numbers, what, kExpected);
  const char kind = array.dtype().kind();
  if ((kind != 'f' && kind != 'i' && kind != 'u') || array.ndim() > 1) reject_array(what, kExpected, array);
  return converted<double>(array);
}

inline Array<std::int64_t> id_vector(const py::object& ids, const char* what) {
  constexpr const char* kExpected = "a one-dimensional array of integers";
  const py::array array = made_array(ids, what, kExpected);
  const char kind = array.dtype().kind();
  if ((kind != 'i' && kind != 'u') || array.ndim() != 1) reject_array(what, kExpected, array);
  Array<std::int64_t> result = converted<std::int64_t>(array);
  if (kind == 'i' || array.size() == 0) return result;
  const py::object largest = array.attr("max")();
  if (largest > py::int_(std::numeric_limits<std::int64_t>::max())) {
    throw py::value_error(std::string(what) + " holds " + text_of(largest) + ", expected numbers below 2^63");
  }
  return result;
}

inline void check_length(const char* what, py::ssize_t length, const Rows& rows) {
  if (static_cast<std::size_t>(length) != rows.count) {
    throw py::value_error(std::string(what) + " has " + std::to_string(length) + " entries for " +
                          std::to_string(rows.count) + " rows, expected as many");
  }
}

inline py::array score_array(const py::object& scores, const char* what) {
  constexpr const char* kExpected = "a one-dimensional array of float scores";
  const py::array array = given_array(scores, what, kExpected);
  if (array.dtype().kind() != 'f' || array.ndim() != 1) reject_array(what, kExpected, array);
  return array;
}

inline std::int64_t whole_number(const py::object& number, const char* what) {
  if (!PyIndex_Check(number.ptr())) reject_type(what, "a whole number", number);
  const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(number.ptr()));
  if (!index) {  // an array of several numbers
    PyErr_Clear();
    reject_type(what, "a whole number", number);
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow != 0) throw py::value_error(std::string(what) + " is " + text_of(index) + ", out of range");
  return value;
}

template <typename T>
Span<T> span_of(const Array<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

inline Rows rows_of(const Array<float>& array) {
  return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1))};
}

// Hands the vector's memory to NumPy.
template <typename T>
Array<T> to_array(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  const T* data = kept->data();
  const py::capsule owner(kept.get(), [](void* held) { delete static_cast<std::vector<T>*>(held); });
  kept.release();
  return Array<T>(std::move(shape), data, owner);
}

template <typename T>
Array<T> to_array(std::vector<T>&& values) {
  const auto size = static_cast<py::ssize_t>(values.size());
  return to_array(std::move(values), {size});
}

inline bool truth(const py::object& value, const char* what) {
  if (!PyBool_Check(value.ptr()) && !py::isinstance(value, py::module_::import("numpy").attr("bool_"))) {
    reject_type(what, "True or False", value);
  }
  return value.cast<bool>();
}

// Runs work without the GIL on that many threads, None for the default; a signal that Python raises on
// (Ctrl-C) ends it.
template <typename Work>
void run_released(const py::object& threads, const Work& work) {
  Run run;
  if (threads.is_none()) {
    run.threads = default_threads();
  } else {
    const std::int64_t count = whole_number(threads, "threads");
    if (count < 1) throw py::value_error("threads is " + std::to_string(count) + ", expected 1 or more");
    run.threads = std::min(static_cast<std::size_t>(count), kMostThreads);
  }
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
void with_scores(const py::object& scores, const char* what, const Work& work) {
  const py::array array = score_array(scores, what);
  if (array.dtype().itemsize() <= static_cast<py::ssize_t>(sizeof(float))) {
    const Array<float> values = converted<float>(array);
    work(span_of(values));
  } else {
    const Array<double> values = converted_finite<double>(array, what);
    work(span_of(values));
  }
}

}  // namespace fr
