// Objects that a program holds by opaque pointers: a handle that was never given out, or is destroyed, is refused.
#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>

namespace driver {

template <class T>
class Handles {
public:
    // A handle on a new object.
    T* add(std::shared_ptr<T> object) {
        std::lock_guard lock(mutex);
        T* handle = object.get();
        objects.emplace(handle, std::move(object));
        return handle;
    }

    // The object, which stays alive while the caller holds it; null for a handle that is none.
    std::shared_ptr<T> get(const void* handle) {
        std::lock_guard lock(mutex);
        auto found = objects.find(handle);
        return found == objects.end() ? nullptr : found->second;
    }

    bool remove(const void* handle) {
        std::lock_guard lock(mutex);
        return objects.erase(handle) != 0;
    }

private:
    std::mutex mutex;
    std::unordered_map<const void*, std::shared_ptr<T>> objects;
};

// One table for each type, never destroyed: programs free handles late.
template <class T>
Handles<T>& handles() {
    static auto& table = *new Handles<T>;
    return table;
}

}  // namespace driver
