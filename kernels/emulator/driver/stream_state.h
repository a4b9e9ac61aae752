// What streams, events and captures share.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "stream.h"

namespace driver {

// Guards the members of all streams, events and captures; never held while work is done.
std::mutex& state();

std::vector<std::shared_ptr<Capture>>& active_captures();

// The stream of a handle, null if there is none. The handles 0, 1 and 2 are the legacy stream and that of the thread.
std::shared_ptr<Stream> find_stream(void* handle);

// The legacy stream waits for all blocking streams; it cannot for one that captures.
Result refuse_legacy_beside_capture(void* handle);

// Ends a capture for all its streams.
void leave(Capture& capture);

}  // namespace driver
