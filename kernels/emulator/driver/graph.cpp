// Graphs: work that was captured, to be done again and again.
#include "complain.h"
#include "export.h"
#include "handles.h"
#include "stream.h"

using namespace driver;

namespace {

// A graph that can be launched; a type of its own, so that handles of the two do not mix.
struct ExecutableGraph {
    Graph graph;
};

constexpr unsigned long long AUTO_FREE_ON_LAUNCH = 1;
constexpr unsigned long long DEVICE_LAUNCH = 4;

Result run(const Graph& graph) {
    for (const Operation& operation : graph.operations) {
        if (Result bad = operation.run()) {
            return bad;
        }
    }
    return SUCCESS;
}

}  // namespace

EXPORT Result cuGraphInstantiateWithFlags(void** executable, void* handle, unsigned long long flags) {
    auto graph = handles<Graph>().get(handle);
    if (!graph) {
        return ERROR_INVALID_HANDLE;
    }
    if ((flags & AUTO_FREE_ON_LAUNCH) && (flags & DEVICE_LAUNCH)) {
        return ERROR_INVALID_VALUE;
    }
    *executable = handles<ExecutableGraph>().add(std::make_shared<ExecutableGraph>(ExecutableGraph{*graph}));
    return SUCCESS;
}

EXPORT Result cuGraphLaunch(void* handle, void* stream) {
    auto executable = handles<ExecutableGraph>().get(handle);
    if (!executable) {
        return ERROR_INVALID_HANDLE;
    }
    return perform(stream, {NodeKind::graph, [executable] { return run(executable->graph); }});
}

EXPORT Result cuGraphUpload(void* handle, void* stream) {
    return handles<ExecutableGraph>().get(handle) ? refuse_in_capture(stream, "cuGraphUpload") : ERROR_INVALID_HANDLE;
}

EXPORT Result cuGraphDestroy(void* handle) { return handles<Graph>().remove(handle) ? SUCCESS : ERROR_INVALID_HANDLE; }

EXPORT Result cuGraphExecDestroy(void* handle) {
    return handles<ExecutableGraph>().remove(handle) ? SUCCESS : ERROR_INVALID_HANDLE;
}

// Nodes are counted and typed only: their handles are the places of the operations in the graph.
EXPORT Result cuGraphGetNodes(void* handle, void** nodes, std::size_t* count) {
    auto graph = handles<Graph>().get(handle);
    if (!graph) {
        return ERROR_INVALID_HANDLE;
    }
    if (nodes) {
        *count = std::min(*count, graph->operations.size());
        for (std::size_t i = 0; i < *count; i++) {
            nodes[i] = &graph->operations[i];
        }
    } else {
        *count = graph->operations.size();
    }
    return SUCCESS;
}

EXPORT Result cuGraphNodeGetType(void* node, int* type) {
    *type = int(static_cast<Operation*>(node)->kind);
    return SUCCESS;
}

EXPORT Result cuGraphExecUpdate_v2(void*, void*, void*) {
    complain("cuGraphExecUpdate is not emulated: instantiate the graph anew");
    return ERROR_NOT_SUPPORTED;
}
EXPORT Result cuGraphExecKernelNodeSetParams_v2(void*, void*, const void*) {
    complain("cuGraphExecKernelNodeSetParams is not emulated: capture the graph anew");
    return ERROR_NOT_SUPPORTED;
}
