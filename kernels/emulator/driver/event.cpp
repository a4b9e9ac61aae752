// Events: times, and what other streams wait for.
//
// In a capture an event is a mark in it: a stream that waits for the mark joins the capture, and must be joined back.
#include <algorithm>
#include <chrono>

#include "export.h"
#include "handles.h"
#include "stream_state.h"

using namespace driver;

namespace {

constexpr unsigned DISABLE_TIMING = 2;
constexpr unsigned RECORD_EXTERNAL = 1;

double now_in_milliseconds() {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(now).count();
}

void join(const std::shared_ptr<Capture>& capture, Stream& stream) {
    stream.capture = capture;
    stream.captured = stream.joined = 0;
    capture->forked.push_back(&stream);
}

}  // namespace

EXPORT Result cuEventCreate(void** event, unsigned flags) {
    auto made = std::make_shared<Event>();
    made->timed = !(flags & DISABLE_TIMING);
    *event = handles<Event>().add(std::move(made));
    return SUCCESS;
}
EXPORT Result cuEventDestroy_v2(void* event) { return handles<Event>().remove(event) ? SUCCESS : ERROR_INVALID_HANDLE; }

// In a capture an event is a mark for other streams to wait at, no work; recorded as external it is work of the graph.
EXPORT Result cuEventRecordWithFlags(void* event_handle, void* handle, unsigned flags) {
    auto stream = find_stream(handle);
    auto event = handles<Event>().get(event_handle);
    if (!stream || !event) {
        return ERROR_INVALID_HANDLE;
    }
    std::unique_lock lock(state());
    if (Result refused = refuse_legacy_beside_capture(handle)) {
        return refused;
    }
    if (stream->capture && flags != RECORD_EXTERNAL) {
        event->capture = stream->capture;
        event->stream = stream.get();
        event->position = stream->captured;
        return SUCCESS;
    }
    lock.unlock();
    return perform(handle, {NodeKind::event, [event] {
                                std::lock_guard lock(state());
                                event->recorded = true;
                                event->capture = nullptr;
                                event->milliseconds = now_in_milliseconds();
                                return SUCCESS;
                            }});
}
EXPORT Result cuEventRecord(void* event, void* stream) { return cuEventRecordWithFlags(event, stream, 0); }

EXPORT Result cuEventQuery(void* handle) {
    auto event = handles<Event>().get(handle);
    if (!event) {
        return ERROR_INVALID_HANDLE;
    }
    std::lock_guard lock(state());
    if (event->capture) {
        event->capture->invalid = true;
        return ERROR_CAPTURED_EVENT;
    }
    return SUCCESS;
}
EXPORT Result cuEventSynchronize(void* handle) { return cuEventQuery(handle); }

EXPORT Result cuEventElapsedTime_v2(float* milliseconds, void* start_handle, void* end_handle) {
    auto start = handles<Event>().get(start_handle);
    auto end = handles<Event>().get(end_handle);
    if (!start || !end) {
        return ERROR_INVALID_HANDLE;
    }
    std::lock_guard lock(state());
    for (auto& event : {start, end}) {
        if (!event->timed || !event->recorded || event->capture) {
            return ERROR_INVALID_HANDLE;
        }
    }
    *milliseconds = float(end->milliseconds - start->milliseconds);
    return SUCCESS;
}
EXPORT Result cuEventElapsedTime(float* milliseconds, void* start, void* end) {
    return cuEventElapsedTime_v2(milliseconds, start, end);
}

EXPORT Result cuStreamWaitEvent(void* handle, void* event_handle, unsigned) {
    auto stream = find_stream(handle);
    auto event = handles<Event>().get(event_handle);
    if (!stream || !event) {
        return ERROR_INVALID_HANDLE;
    }
    std::lock_guard lock(state());
    if (!event->capture || event->capture->ended) {
        if (!stream->capture) {
            return SUCCESS;
        }
        stream->capture->invalid = true;
        return ERROR_STREAM_CAPTURE_ISOLATION;
    }
    if (!stream->capture) {
        join(event->capture, *stream);
    } else if (stream->capture != event->capture) {
        stream->capture->invalid = event->capture->invalid = true;
        return ERROR_STREAM_CAPTURE_MERGE;
    }
    event->stream->joined = std::max(event->stream->joined, event->position);
    return SUCCESS;
}
