// Streams: making them, and doing work on them.
#include "stream.h"

#include "export.h"
#include "handles.h"
#include "stream_state.h"

namespace driver {

namespace {

constexpr std::uintptr_t PER_THREAD_STREAM = 2;
constexpr unsigned NON_BLOCKING = 1;

}  // namespace

std::mutex& state() {
    static auto& mutex = *new std::mutex;
    return mutex;
}

std::shared_ptr<Stream> find_stream(void* handle) {
    static auto& legacy = *new std::shared_ptr<Stream>(new Stream);
    if (reinterpret_cast<std::uintptr_t>(handle) <= PER_THREAD_STREAM) {
        return legacy;
    }
    return handles<Stream>().get(handle);
}

Result perform(void* handle, Operation operation) {
    auto stream = find_stream(handle);
    if (!stream) {
        return ERROR_INVALID_HANDLE;
    }
    {
        std::lock_guard lock(state());
        if (Result refused = refuse_legacy_beside_capture(handle)) {
            return refused;
        }
        if (auto capture = stream->capture) {
            if (capture->invalid) {
                return ERROR_STREAM_CAPTURE_INVALIDATED;
            }
            if (Result bad = operation.check()) {
                capture->invalid = true;
                return bad;
            }
            capture->graph.operations.push_back(std::move(operation));
            stream->captured++;
            return SUCCESS;
        }
    }
    return operation.run();
}

}  // namespace driver

using namespace driver;

EXPORT Result cuStreamCreateWithPriority(void** stream, unsigned flags, int priority) {
    auto made = std::make_shared<Stream>();
    made->blocking = !(flags & NON_BLOCKING);
    made->priority = priority;
    *stream = handles<Stream>().add(std::move(made));
    return SUCCESS;
}
EXPORT Result cuStreamCreate(void** stream, unsigned flags) { return cuStreamCreateWithPriority(stream, flags, 0); }

EXPORT Result cuStreamDestroy_v2(void* handle) {
    if (auto stream = handles<Stream>().get(handle)) {
        std::lock_guard lock(state());
        if (stream->capture) {
            stream->capture->invalid = true;
            leave(*stream->capture);
        }
    }
    return handles<Stream>().remove(handle) ? SUCCESS : ERROR_INVALID_HANDLE;
}

EXPORT Result cuStreamGetPriority(void* handle, int* priority) {
    auto stream = find_stream(handle);
    *priority = stream ? stream->priority : 0;
    return stream ? SUCCESS : ERROR_INVALID_HANDLE;
}

EXPORT Result cuStreamSynchronize(void* handle) { return refuse_in_capture(handle, "cuStreamSynchronize"); }
EXPORT Result cuStreamQuery(void* handle) { return refuse_in_capture(handle, "cuStreamQuery"); }

EXPORT Result cuLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
    return perform(stream, {NodeKind::host, [=] {
                                function(data);
                                return SUCCESS;
                            }});
}
