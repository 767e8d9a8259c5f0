# uwsk_add_driver(name SOURCES file… [OPTIONS option…] [LINK_OPTIONS option…])
#
# Compiles a driver's sources with `uwsk cc` and links <name>.so in the current binary folder.  OPTIONS go to every
# compile line (-I, -D, -O0 …).  The target's property UWSK_DRIVER_FILE holds the path of the driver.  The same
# function serves this project's tree and the installed package.

function(uwsk_add_driver name)
    cmake_parse_arguments(arg "" "" "SOURCES;OPTIONS;LINK_OPTIONS" ${ARGN})
    if(NOT arg_SOURCES)
        message(FATAL_ERROR "uwsk_add_driver(${name}): no SOURCES")
    endif()
    if(TARGET uwsk_cli) # inside the project
        set(command $<TARGET_FILE:uwsk_cli>)
        set(tools uwsk_cli uwsk)
        if(TARGET uwskcrt)
            list(APPEND tools uwskcrt)
        endif()
        set(environment UWSK_CC=${CMAKE_C_COMPILER} UWSK_CXX=${CMAKE_CXX_COMPILER})
    else()
        set(command ${UWSK_COMMAND})
        set(tools)
        set(environment)
    endif()
    set(objects)
    foreach(source IN LISTS arg_SOURCES)
        get_filename_component(absolute ${source} ABSOLUTE)
        file(RELATIVE_PATH relative ${CMAKE_CURRENT_SOURCE_DIR} ${absolute})
        string(REPLACE ".." "up" relative ${relative})
        set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.dir/${relative}.o)
        get_filename_component(folder ${object} DIRECTORY)
        file(MAKE_DIRECTORY ${folder})
        add_custom_command(
            OUTPUT ${object}
            COMMAND ${CMAKE_COMMAND} -E env ${environment} ${command} cc ${arg_OPTIONS} -MD -MF ${object}.d
                    -c -o ${object} ${absolute}
            DEPENDS ${absolute} ${tools}
            DEPFILE ${object}.d
            COMMENT "uwsk cc ${name}: ${relative}"
            VERBATIM)
        list(APPEND objects ${object})
    endforeach()
    set(driver ${CMAKE_CURRENT_BINARY_DIR}/${name}.so)
    add_custom_command(
        OUTPUT ${driver}
        COMMAND ${CMAKE_COMMAND} -E env ${environment} ${command} cc -o ${driver} ${objects} ${arg_LINK_OPTIONS}
        DEPENDS ${objects} ${tools}
        COMMENT "uwsk cc ${name}.so"
        VERBATIM)
    add_custom_target(${name} ALL DEPENDS ${driver})
    set_target_properties(${name} PROPERTIES UWSK_DRIVER_FILE ${driver})
endfunction()
