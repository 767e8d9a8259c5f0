# The two worlds as interface targets, and rooms as object libraries.
#
#   uwsk_kernel   what a driver sees: our headers only, 16-bit wchar_t, Windows layout
#   uwsk_host     what libc programs see; include/ comes last, for ntstatus.h, wdm.h and uwsk/
#
# uwsk_room(name WORLD folder) collects the folder's sources into the object library uwsk_room_<name>; a folder
# without sources makes no target.  Their objects are listed in UWSK_HOST_OBJECTS and UWSK_KERNEL_OBJECTS.

set(UWSK_WARNINGS -Wall -Wextra -Werror)
set(UWSK_CODEGEN -fno-omit-frame-pointer -fPIC)
if(UWSK_SANITIZE)
    list(APPEND UWSK_CODEGEN -fsanitize=${UWSK_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${UWSK_SANITIZE})
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND UWSK_SANITIZE MATCHES "thread")
        list(APPEND UWSK_CODEGEN -Wno-tsan) # gcc warns at every fence that tsan does not model it
    endif()
    if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND UWSK_SANITIZE MATCHES "address")
        # As gcc links it: our own functions of the C run time (16-bit wcslen) come before the sanitizer's.
        execute_process(COMMAND ${CMAKE_C_COMPILER} -print-runtime-dir OUTPUT_VARIABLE folder
                        OUTPUT_STRIP_TRAILING_WHITESPACE)
        set(UWSK_SANITIZE_LINK -shared-libasan -Wl,-rpath,${folder})
        add_link_options(${UWSK_SANITIZE_LINK})
        # tests/fuzz: uwsk_room_nt, uwsk_room_wsk and the C run time tell libFuzzer what was reached.  It is linked by its
        # name, for with -fsanitize=fuzzer libstdc++ would stand before the sanitizer.
        set(UWSK_FUZZ ${folder}/libclang_rt.fuzzer-x86_64.a)
        set(UWSK_COVERAGE -fsanitize-coverage=inline-8bit-counters,pc-table)
    endif()
endif()
if(UWSK_ALLOW_UNDEFINED)
    add_link_options(-Wl,--unresolved-symbols=ignore-all)
endif()

add_library(uwsk_kernel INTERFACE)
set(kernel_flags ${UWSK_CODEGEN} -fno-strict-aliasing -fwrapv -fshort-wchar -fms-extensions -mms-bitfields
    -nostdinc ${UWSK_WARNINGS} -Wno-multichar -Wno-unknown-pragmas)
set(kernel_cxx_flags -std=gnu++17 -fno-exceptions -fno-rtti -nostdinc++)
set(kernel_clang_flags -fms-compatibility -Wno-microsoft -Wno-pragma-pack)
target_compile_options(uwsk_kernel INTERFACE
    "$<$<COMPILE_LANGUAGE:C>:-std=gnu17>"
    "$<$<COMPILE_LANGUAGE:CXX>:${kernel_cxx_flags}>"
    "$<$<COMPILE_LANGUAGE:C,CXX>:${kernel_flags}>"
    "$<$<COMPILE_LANGUAGE:C,CXX>:-fvisibility=$<IF:$<BOOL:$<TARGET_PROPERTY:UWSK_VISIBLE>>,default,hidden>>"
    "$<$<OR:$<COMPILE_LANG_AND_ID:C,Clang>,$<COMPILE_LANG_AND_ID:CXX,Clang>>:${kernel_clang_flags}>"
    "$<$<COMPILE_LANG_AND_ID:C,Clang>:-Wno-incompatible-function-pointer-types>")
target_compile_definitions(uwsk_kernel INTERFACE _KERNEL_MODE _WIN32 _WIN64 _AMD64_ _M_AMD64=100 _M_X64=100
    _WIN32_WINNT=0x0A00 NTDDI_VERSION=0x0A000010 DBG=1)
target_include_directories(uwsk_kernel INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)

add_library(uwsk_host INTERFACE)
target_compile_options(uwsk_host INTERFACE
    "$<$<COMPILE_LANGUAGE:C>:-std=gnu17>"
    "$<$<COMPILE_LANGUAGE:CXX>:-std=gnu++17>"
    "$<$<COMPILE_LANGUAGE:C,CXX>:${UWSK_CODEGEN};${UWSK_WARNINGS}>"
    "$<$<COMPILE_LANGUAGE:C,CXX>:SHELL:-idirafter ${PROJECT_SOURCE_DIR}/include>")
target_compile_definitions(uwsk_host INTERFACE _GNU_SOURCE)
target_include_directories(uwsk_host INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(uwsk_host INTERFACE Threads::Threads)

set(UWSK_HOST_OBJECTS)
set(UWSK_KERNEL_OBJECTS)
function(uwsk_room name world folder)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.c ${folder}/*.S)
    if(NOT sources)
        return()
    endif()
    set(target uwsk_room_${name})
    add_library(${target} OBJECT ${sources})
    target_link_libraries(${target} PRIVATE uwsk_${world})
    # Inside libuwsk the version script decides what is visible; hidden definitions could not be exported by it.
    set_target_properties(${target} PROPERTIES UWSK_VISIBLE ON)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:C,CXX>:-fno-semantic-interposition>")
    target_compile_definitions(${target} PRIVATE UWSK_INSIDE) # may use what libuwsk hides even from its own tests
    if(world STREQUAL "host")
        target_include_directories(${target} SYSTEM PRIVATE ${DW_INCLUDE_DIRS})
    endif()
    string(TOUPPER ${world} side)
    set(UWSK_${side}_OBJECTS ${UWSK_${side}_OBJECTS} $<TARGET_OBJECTS:${target}> PARENT_SCOPE)
endfunction()
