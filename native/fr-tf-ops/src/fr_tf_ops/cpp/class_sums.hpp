// Sums over classes, chunk by chunk, forward and backward: never a matrix of samples and classes.
#pragma once

#include <functional>

#include "problem.hpp"

namespace fr_tf_ops {

// The number of blocks of the forward pass.
std::size_t forward_blocks(const Problem& problem);

// Calls gather(block, tile) for the cosines of every chunk: chunks of one block in order, blocks in any.
void for_each_tile(const Engine& engine, const Problem& problem,
                   const std::function<void(std::size_t block, const Tile& tile)>& gather);

// Turns cosines into their gradients. Where `kept` is given it is 0 for every class at first and must not be
// for the classes whose gradients count; the others get none and give none.
using Slopes = std::function<void(const Tile& tile, std::uint8_t* kept)>;

// Gradients of x and weights; slopes is given `kept` if `skips`.
void class_gradients(const Engine& engine, const Problem& problem, const Slopes& slopes, bool skips,
                     float* g_x, void* g_weights);

}  // namespace fr_tf_ops
