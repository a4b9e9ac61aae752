// Copying and setting memory.
#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "complain.h"
#include "export.h"
#include "memory.h"
#include "stream.h"

namespace driver {

namespace {

void* pointer(Address address) { return reinterpret_cast<void*>(address); }

// Bytes that an operation touches in memory that the driver knows.
struct Range {
    const char* what;
    Address address;
    std::size_t bytes;
};

Result check(const std::vector<Range>& ranges) {
    for (const Range& range : ranges) {
        if (range.bytes != 0 && !is_reachable(range.address, range.bytes)) {
            complain("%s: %zu bytes at %p do not lie in one live block", range.what, range.bytes,
                     pointer(range.address));
            return ERROR_INVALID_VALUE;
        }
    }
    return SUCCESS;
}

struct Transfer {
    NodeKind kind;
    std::vector<Range> touched;
    std::function<void()> action;
};

Result on_stream(void* stream, const Transfer& transfer) {
    auto check_ranges = [=] { return check(transfer.touched); };
    auto run = [=] {
        Result bad = check_ranges();
        if (!bad) {
            transfer.action();
        }
        return bad;
    };
    return perform(stream, {transfer.kind, run, check_ranges});
}

// In the forms that wait for the device.
Result at_once(const Transfer& transfer) {
    Result refused = refuse_while_capturing();
    return refused ? refused : on_stream(nullptr, transfer);
}

Transfer to_device(Address to, const void* from, std::size_t bytes) {
    return {NodeKind::copy, {{"copy to device", to, bytes}}, [=] { std::memcpy(pointer(to), from, bytes); }};
}

Transfer to_host(void* to, Address from, std::size_t bytes) {
    return {NodeKind::copy, {{"copy to host", from, bytes}}, [=] { std::memcpy(to, pointer(from), bytes); }};
}

Transfer on_device(Address to, Address from, std::size_t bytes) {
    return {NodeKind::copy,
            {{"copy on device, from", from, bytes}, {"copy on device, to", to, bytes}},
            [=] { std::memmove(pointer(to), pointer(from), bytes); }};
}

template <class Word>
Transfer set(Address to, Word value, std::size_t count) {
    return {NodeKind::set, {{"memset", to, count * sizeof(Word)}}, [=] {
                auto* words = static_cast<Word*>(pointer(to));
                std::fill(words, words + count, value);
            }};
}

}  // namespace
}  // namespace driver

using namespace driver;

EXPORT Result cuMemcpyHtoD_v2(Address to, const void* from, std::size_t bytes) {
    return at_once(to_device(to, from, bytes));
}
EXPORT Result cuMemcpyDtoH_v2(void* to, Address from, std::size_t bytes) { return at_once(to_host(to, from, bytes)); }
EXPORT Result cuMemcpyDtoD_v2(Address to, Address from, std::size_t bytes) {
    return at_once(on_device(to, from, bytes));
}
EXPORT Result cuMemsetD8_v2(Address to, std::uint8_t value, std::size_t count) {
    return at_once(set(to, value, count));
}
EXPORT Result cuMemsetD16_v2(Address to, std::uint16_t value, std::size_t count) {
    return at_once(set(to, value, count));
}
EXPORT Result cuMemsetD32_v2(Address to, std::uint32_t value, std::size_t count) {
    return at_once(set(to, value, count));
}

EXPORT Result cuMemcpyHtoDAsync_v2(Address to, const void* from, std::size_t bytes, void* stream) {
    return on_stream(stream, to_device(to, from, bytes));
}
EXPORT Result cuMemcpyDtoHAsync_v2(void* to, Address from, std::size_t bytes, void* stream) {
    return on_stream(stream, to_host(to, from, bytes));
}
EXPORT Result cuMemcpyDtoDAsync_v2(Address to, Address from, std::size_t bytes, void* stream) {
    return on_stream(stream, on_device(to, from, bytes));
}
EXPORT Result cuMemsetD8Async(Address to, std::uint8_t value, std::size_t count, void* stream) {
    return on_stream(stream, set(to, value, count));
}
EXPORT Result cuMemsetD16Async(Address to, std::uint16_t value, std::size_t count, void* stream) {
    return on_stream(stream, set(to, value, count));
}
EXPORT Result cuMemsetD32Async(Address to, std::uint32_t value, std::size_t count, void* stream) {
    return on_stream(stream, set(to, value, count));
}
