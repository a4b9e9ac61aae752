// Captures: what streams do between begin and end becomes a graph.
#include <algorithm>

#include "complain.h"
#include "export.h"
#include "handles.h"
#include "stream_state.h"

namespace driver {

namespace {

constexpr std::uintptr_t LEGACY_STREAM = 1;

bool is_legacy(void* handle) { return reinterpret_cast<std::uintptr_t>(handle) <= LEGACY_STREAM; }

bool has_unjoined_work(const Capture& capture) {
    return std::any_of(capture.forked.begin(), capture.forked.end(),
                       [](const Stream* stream) { return stream->joined < stream->captured; });
}

}  // namespace

std::vector<std::shared_ptr<Capture>>& active_captures() {
    static auto& captures = *new std::vector<std::shared_ptr<Capture>>;
    return captures;
}

void leave(Capture& capture) {
    for (Stream* stream : capture.forked) {
        stream->capture = nullptr;
    }
    capture.origin->capture = nullptr;
    capture.ended = true;
    auto& active = active_captures();
    active.erase(std::remove_if(active.begin(), active.end(), [&](auto& other) { return other.get() == &capture; }),
                 active.end());
}

Result refuse_legacy_beside_capture(void* handle) {
    if (!is_legacy(handle)) {
        return SUCCESS;
    }
    for (auto& capture : active_captures()) {
        if (capture->origin->blocking) {
            capture->invalid = true;
            return ERROR_STREAM_CAPTURE_IMPLICIT;
        }
    }
    return SUCCESS;
}

Result refuse_while_capturing() {
    std::lock_guard lock(state());
    Result result = SUCCESS;
    for (auto& capture : active_captures()) {
        bool mine = capture->thread == std::this_thread::get_id();
        if (capture->mode == CaptureMode::global || (capture->mode == CaptureMode::thread_local_ && mine)) {
            capture->invalid = true;
            result = ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return result;
}

Result refuse_in_capture(void* handle, const char* what) {
    auto stream = find_stream(handle);
    if (!stream) {
        return ERROR_INVALID_HANDLE;
    }
    std::lock_guard lock(state());
    if (!stream->capture) {
        return refuse_legacy_beside_capture(handle);
    }
    complain("%s on a stream that captures", what);
    stream->capture->invalid = true;
    return ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

}  // namespace driver

using namespace driver;

EXPORT Result cuStreamBeginCapture_v2(void* handle, int mode) {
    auto stream = find_stream(handle);
    if (!stream) {
        return ERROR_INVALID_HANDLE;
    }
    if (is_legacy(handle)) {
        return ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    static std::uint64_t number = 0;
    std::lock_guard lock(state());
    if (stream->capture) {
        return ERROR_ILLEGAL_STATE;
    }
    stream->capture = std::make_shared<Capture>();
    stream->capture->origin = stream.get();
    stream->capture->mode = CaptureMode(mode);
    stream->capture->thread = std::this_thread::get_id();
    stream->capture->number = ++number;
    active_captures().push_back(stream->capture);
    return SUCCESS;
}

EXPORT Result cuStreamEndCapture(void* handle, void** graph) {
    auto stream = find_stream(handle);
    if (!stream) {
        return ERROR_INVALID_HANDLE;
    }
    *graph = nullptr;
    std::lock_guard lock(state());
    auto capture = stream->capture;
    if (!capture) {
        return ERROR_ILLEGAL_STATE;
    }
    if (capture->origin != stream.get()) {
        capture->invalid = true;
        return ERROR_STREAM_CAPTURE_UNMATCHED;
    }
    if (capture->mode != CaptureMode::relaxed && capture->thread != std::this_thread::get_id()) {
        return ERROR_STREAM_CAPTURE_WRONG_THREAD;
    }
    bool unjoined = has_unjoined_work(*capture);
    leave(*capture);
    if (capture->invalid) {
        return ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    if (unjoined) {
        return ERROR_STREAM_CAPTURE_UNJOINED;
    }
    *graph = handles<Graph>().add(std::make_shared<Graph>(std::move(capture->graph)));
    return SUCCESS;
}

EXPORT Result cuStreamIsCapturing(void* handle, int* status) {
    auto stream = find_stream(handle);
    if (!stream) {
        return ERROR_INVALID_HANDLE;
    }
    std::lock_guard lock(state());
    enum { NONE, ACTIVE, INVALIDATED };
    *status = !stream->capture ? NONE : stream->capture->invalid ? INVALIDATED : ACTIVE;
    return SUCCESS;
}

EXPORT Result cuStreamGetCaptureInfo_v3(void* handle, int* status, std::uint64_t* number, void** graph,
                                        const void*** dependencies, const void** edges, std::size_t* count) {
    if (Result bad = cuStreamIsCapturing(handle, status)) {
        return bad;
    }
    std::lock_guard lock(state());
    auto capture = find_stream(handle)->capture;
    if (number) {
        *number = capture ? capture->number : 0;
    }
    if (graph) {
        *graph = nullptr;
    }
    if (dependencies) {
        *dependencies = nullptr;
    }
    if (edges) {
        *edges = nullptr;
    }
    if (count) {
        *count = 0;
    }
    return SUCCESS;
}
EXPORT Result cuStreamGetCaptureInfo_v2(void* handle, int* status, std::uint64_t* number, void** graph,
                                        const void*** dependencies, std::size_t* count) {
    return cuStreamGetCaptureInfo_v3(handle, status, number, graph, dependencies, nullptr, count);
}
EXPORT Result cuStreamGetCaptureInfo(void* handle, int* status, std::uint64_t* number) {
    return cuStreamGetCaptureInfo_v3(handle, status, number, nullptr, nullptr, nullptr, nullptr);
}
