// Streams do their work at once, in the calling thread; a stream that captures writes it into a graph instead.
//
// Order among streams therefore is the order of the calls: one that a GPU might also take. Waits that a program forgot
// between streams do not show.
#pragma once
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "results.h"

namespace driver {

enum class NodeKind : int { kernel = 0, copy = 1, set = 2, host = 3, graph = 4, event = 7 };   // CUgraphNodeType

// One piece of work. It checks what it touches each time it runs, and once when it is captured.
struct Operation {
    NodeKind kind;
    std::function<Result()> run;
    std::function<Result()> check = [] { return SUCCESS; };
};

struct Graph {
    std::vector<Operation> operations;
};

enum class CaptureMode : int { global, thread_local_, relaxed };   // CUstreamCaptureMode

struct Stream;

// What streams write between begin and end: the one that began, and those that waited for an event of it.
struct Capture {
    Graph graph;
    Stream* origin;
    CaptureMode mode;
    std::thread::id thread;
    std::uint64_t number;
    bool invalid = false;
    bool ended = false;
    std::vector<Stream*> forked;    // streams that joined, not the origin
};

struct Stream {
    bool blocking = true;           // waits for the legacy stream and makes it wait
    int priority = 0;
    std::shared_ptr<Capture> capture;
    unsigned captured = 0;          // operations of this stream in it
    unsigned joined = 0;            // how many of them the origin waits for
};

struct Event {
    bool timed = true;
    bool recorded = false;
    double milliseconds = 0;
    std::shared_ptr<Capture> capture;   // the one it was recorded in
    Stream* stream = nullptr;
    unsigned position = 0;              // operations of that stream before it
};

// Does the operation, or captures it.
Result perform(void* stream, Operation operation);

// For calls that may wait for the device: refused, and the capture spoilt, while a stream captures that forbids them to
// this thread.
Result refuse_while_capturing();

// For calls on a stream that must not capture.
Result refuse_in_capture(void* stream, const char* what);

}  // namespace driver
