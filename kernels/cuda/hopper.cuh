// What sm_90a has beyond its forebears: barriers that count bytes, the TMA unit, matrix products by warpgroups.
//
// HOPPER is defined where they exist. A file that includes this compiles for any architecture, if its kernels that use
// them stand under `#ifdef HOPPER`.
#pragma once
#if defined(CUDA_EMULATOR) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HOPPER
#include "mbarrier.cuh"
#include "tma.cuh"
#include "wgmma.cuh"
#endif
