// Results of the driver API, by the numbers and names of cuda.h, with what this driver means by each.
#pragma once

namespace driver {

#define DRIVER_RESULTS(each) \
    each(SUCCESS, 0, "no error") \
    each(ERROR_INVALID_VALUE, 1, "invalid argument") \
    each(ERROR_OUT_OF_MEMORY, 2, "out of memory") \
    each(ERROR_NOT_INITIALIZED, 3, "initialization error") \
    each(ERROR_INVALID_DEVICE, 101, "invalid device ordinal") \
    each(ERROR_INVALID_IMAGE, 200, "device kernel image is invalid") \
    each(ERROR_INVALID_CONTEXT, 201, "invalid device context") \
    each(ERROR_UNSUPPORTED_LIMIT, 215, "limit is not supported on this architecture") \
    each(ERROR_FILE_NOT_FOUND, 301, "file not found") \
    each(ERROR_INVALID_HANDLE, 400, "invalid resource handle") \
    each(ERROR_ILLEGAL_STATE, 401, "the operation cannot be performed in the present state") \
    each(ERROR_NOT_FOUND, 500, "named symbol not found") \
    each(ERROR_NOT_READY, 600, "device not ready") \
    each(ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered") \
    each(ERROR_LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch") \
    each(ERROR_MISALIGNED_ADDRESS, 716, "misaligned address") \
    each(ERROR_LAUNCH_FAILED, 719, "unspecified launch failure") \
    each(ERROR_NOT_PERMITTED, 800, "operation not permitted") \
    each(ERROR_NOT_SUPPORTED, 801, "operation not supported") \
    each(ERROR_STREAM_CAPTURE_UNSUPPORTED, 900, "operation not permitted when stream is capturing") \
    each(ERROR_STREAM_CAPTURE_INVALIDATED, 901, "a previous error spoilt this capture") \
    each(ERROR_STREAM_CAPTURE_MERGE, 902, "operation would merge separate captures") \
    each(ERROR_STREAM_CAPTURE_UNMATCHED, 903, "capture was not ended in the same stream as it began") \
    each(ERROR_STREAM_CAPTURE_UNJOINED, 904, "capturing stream has unjoined work") \
    each(ERROR_STREAM_CAPTURE_ISOLATION, 905, "dependency created on uncaptured work in another stream") \
    each(ERROR_STREAM_CAPTURE_IMPLICIT, 906, "dependency of the legacy stream on a capturing one") \
    each(ERROR_CAPTURED_EVENT, 907, "operation not permitted on an event last recorded in a capturing stream") \
    each(ERROR_STREAM_CAPTURE_WRONG_THREAD, 908, "capture ended by another thread than began it") \
    each(ERROR_UNKNOWN, 999, "unknown error")

enum Result : int {
#define DRIVER_RESULT(name, number, text) name = number,
    DRIVER_RESULTS(DRIVER_RESULT)
#undef DRIVER_RESULT
};

}  // namespace driver
