// Names and texts of results.
#include "results.h"

#include "export.h"

using namespace driver;

EXPORT Result cuGetErrorName(int result, const char** name) {
    switch (result) {
#define DRIVER_RESULT(symbol, number, text) \
    case number:                            \
        *name = "CUDA_" #symbol;            \
        return SUCCESS;
        DRIVER_RESULTS(DRIVER_RESULT)
#undef DRIVER_RESULT
    }
    *name = nullptr;
    return ERROR_INVALID_VALUE;
}

EXPORT Result cuGetErrorString(int result, const char** string) {
    switch (result) {
#define DRIVER_RESULT(symbol, number, text) \
    case number:                            \
        *string = text;                     \
        return SUCCESS;
        DRIVER_RESULTS(DRIVER_RESULT)
#undef DRIVER_RESULT
    }
    *string = nullptr;
    return ERROR_INVALID_VALUE;
}
