/* A Vulkan driver that hands everything to another one, DRIVER, and corrects the shaders on their way.
 *
 * CubeCL 0.11.3 declares what a workgroup shares as a pointer to a pointer, where the driver has no
 * VK_KHR_workgroup_memory_explicit_layout (cubecl-spirv, lower_shared_implicit: the two types are exchanged). That is
 * not valid SPIR-V; SwiftShader's kernels then leave their output as it was. Here such a variable gets the inner pointer
 * as its type, which is what the rest of the shader takes it for.
 *
 * The loader's interface is in the Vulkan loader's documentation ("LoaderDriverInterface"), the format of a module in
 * the SPIR-V specification, section 2.3. */

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_INSTRUCTION = 5, BOUND = 3, OP_TYPE_POINTER = 32, OP_VARIABLE = 59, WORKGROUP = 4 };

typedef void (*Function)(void);
typedef Function (*GetFunction)(void *owner, const char *name);

/* VkShaderModuleCreateInfo. */
typedef struct {
    int type;
    const void *next;
    uint32_t flags;
    size_t size;
    const uint32_t *code;
} ModuleInfo;
typedef int (*CreateModule)(void *device, const ModuleInfo *info, const void *allocator, uint64_t *module);

static void *driver;
static GetFunction device_function;
static CreateModule create_module;

static void *of_driver(const char *name) {
    if (!driver) driver = dlopen(DRIVER, RTLD_NOW | RTLD_LOCAL);
    return driver ? dlsym(driver, name) : NULL;
}

/* Types come before what has them, so one pass does. */
static void correct(uint32_t *code, size_t words, uint32_t *pointee) {
    for (size_t at = FIRST_INSTRUCTION; at < words;) {
        uint32_t *instruction = code + at;
        uint32_t operation = instruction[0] & 0xffff, length = instruction[0] >> 16;
        if (length == 0 || at + length > words) return;
        if (operation == OP_TYPE_POINTER && instruction[2] == WORKGROUP) {
            pointee[instruction[1]] = instruction[3];
        } else if (operation == OP_VARIABLE && instruction[3] == WORKGROUP) {
            uint32_t inner = pointee[instruction[1]];
            if (pointee[inner]) instruction[1] = inner;
        }
        at += length;
    }
}

static int create_corrected(void *device, const ModuleInfo *info, const void *allocator, uint64_t *module) {
    uint32_t *code = malloc(info->size), *pointee = calloc(info->code[BOUND], sizeof *pointee);
    int result = -1; /* VK_ERROR_OUT_OF_HOST_MEMORY */
    if (code && pointee) {
        ModuleInfo corrected = *info;
        memcpy(code, info->code, info->size);
        correct(code, info->size / sizeof *code, pointee);
        corrected.code = code;
        result = create_module(device, &corrected, allocator, module);
    }
    free(code);
    free(pointee);
    return result;
}

static Function in_front(Function function, const char *name);

static Function get_device_function(void *device, const char *name) {
    return in_front(device_function(device, name), name);
}

static Function in_front(Function function, const char *name) {
    if (!function) return NULL;
    if (!strcmp(name, "vkGetDeviceProcAddr")) {
        device_function = (GetFunction)function;
        return (Function)get_device_function;
    }
    if (!strcmp(name, "vkCreateShaderModule")) {
        create_module = (CreateModule)function;
        return (Function)create_corrected;
    }
    return function;
}

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    GetFunction get = (GetFunction)of_driver("vk_icdGetInstanceProcAddr");
    return get ? in_front(get(instance, name), name) : NULL;
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
    GetFunction get = (GetFunction)of_driver("vk_icdGetPhysicalDeviceProcAddr");
    return get ? get(instance, name) : NULL;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    int (*negotiate)(uint32_t *) = (int (*)(uint32_t *))of_driver("vk_icdNegotiateLoaderICDInterfaceVersion");
    return negotiate ? negotiate(version) : -3; /* VK_ERROR_INITIALIZATION_FAILED */
}
