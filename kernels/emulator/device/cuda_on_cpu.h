// Makes g++ read CUDA C++: the build forces this header into every .cu file (`-include cuda_on_cpu.h`).
//
// It stands for what NVRTC has built in: keywords, vector types, threadIdx and its kin, barriers, warp collectives,
// atomics, scalar maths. Instructions that NVRTC reaches through inline PTX are not here: each is emulated beside its
// PTX in kernels/cuda.
#pragma once
#define CUDA_EMULATOR 1

#include "thread.h"
#include "shared_memory.h"
#include "barrier.h"
#include "warp.h"
#include "atomics.h"
#include "maths.h"
#include "half.h"
#include "registry.h"
#include "engines.h"

#include "keywords.h"
