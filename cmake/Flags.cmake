# SPDX-License-Identifier: GPL-2.0-or-later
# Compiler flags, and the build for those who only say `cmake -B build`: debug with sanitizers.

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE Debug CACHE STRING "Debug, Release, RelWithDebInfo or None" FORCE)
endif()
set(sanitize_default "")
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
	set(sanitize_default "address,undefined")
endif()
set(PODWIRE_SANITIZE "${sanitize_default}" CACHE STRING "value of -fsanitize=; empty for none")
option(PODWIRE_WERROR "warnings are errors" OFF)
option(PODWIRE_COVERAGE "count executed lines for gcov" OFF)
option(PODWIRE_FUZZ "build tests/fuzz with libFuzzer (clang); else they replay their corpus" OFF)
set(PODWIRE_FUZZ_SECONDS 60 CACHE STRING "how long each hunt takes")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Assertions stay in release builds: an undo stack that overflows must stop, not corrupt. Small before
# fast: a program's time is its start and the kernel's (docs/decisions/019).
set(CMAKE_C_FLAGS_RELEASE "-Os")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
include(CheckLinkerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
	-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef
	-Wvla -Wimplicit-fallthrough -Wno-missing-field-initializers -fno-common
	-fstack-protector-strong
	# Source paths in __FILE__ and debug information must not depend on where the tree lies.
	-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed)
if(CMAKE_BUILD_TYPE MATCHES "^Rel" AND NOT PODWIRE_SANITIZE)
	add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections
		-fno-asynchronous-unwind-tables) # nothing unwinds a C program; a debugger has .debug_frame
	# A program carries what it calls, not whole files of pkg/; and its constants share the pages of its code.
	add_link_options(-Wl,--gc-sections -Wl,-z,noseparate-code)
	# Tables of pointers cost a bit each and not 24 bytes (binutils 2.38; the C library from 2.36 reads them).
	check_linker_flag(C -Wl,-z,pack-relative-relocs packs_relocs)
	if(packs_relocs)
		add_link_options(-Wl,-z,pack-relative-relocs)
	endif()
endif()
if(PODWIRE_WERROR)
	add_compile_options(-Werror)
endif()
if(PODWIRE_SANITIZE)
	add_compile_options(-fsanitize=${PODWIRE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	add_link_options(-fsanitize=${PODWIRE_SANITIZE})
	# Callers may clear the environment, so the options live in the programs.
	add_library(sanitizers OBJECT ${CMAKE_CURRENT_LIST_DIR}/sanitizers.c)
	link_libraries($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:$<TARGET_OBJECTS:sanitizers>>)
endif()
if(PODWIRE_COVERAGE)
	add_compile_options(--coverage -fprofile-abs-path)
	add_link_options(--coverage)
endif()
if(PODWIRE_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()
