/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "store_world.h"

static void reading_makes_no_index(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkdir(w->path, 0755), 0);
	put(w, "10.1.2.3", "alice\r\neth0");
	assert_owns(w, &alice, "10.1.2.3");
	release(w, &alice);
	assert_false(exists(w, "10.1.2.3"));
	assert_false(exists(w, INDEX_DIR));
}

static void others_changes_are_seen(void **state)
{
	struct world *w = *state;

	assert_true(claim(w, &alice, "10.1.2.2"));
	/* Within the same tick of the kernel's clock, whatever it is. */
	put(w, "10.1.2.3", "bob\r\neth0");
	assert_owns(w, &bob, "10.1.2.3");
	assert_true(index_is_fresh(w));
	assert_owns(w, &alice, "10.1.2.2");
	take_away(w, "10.1.2.2");
	assert_false(index_is_fresh(w));
	assert_owns(w, &alice, "");
	assert_int_equal(index_entries(w), 1);
	put(w, "10.1.2.2", "bob\r\neth0");
	assert_owns(w, &bob, "10.1.2.2 10.1.2.3");
	release(w, &bob);
	assert_false(exists(w, "10.1.2.2"));
	assert_false(exists(w, "10.1.2.3"));
	assert_int_equal(index_entries(w), 0);
}

/* Kernels without fine-grained times stamp a change with the last tick of the clock, file systems
 * with small inodes with the last second: neither may ever be the time that we chose. */
static void folder_time_is_past(void **state)
{
	struct world *w = *state;
	struct timespec now;
	struct stat st;

	assert_true(claim(w, &alice, "10.1.2.2"));
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	assert_true(st.st_mtim.tv_sec + 1 < now.tv_sec);
	assert_true(st.st_mtim.tv_sec + 60 > now.tv_sec);
}

/* A file overwritten in place moves no time of the folder: its content decides all the same. */
static void overwritten_in_place(void **state)
{
	struct world *w = *state;

	assert_true(claim(w, &alice, "10.1.2.2"));
	put(w, "10.1.2.2", "alice");
	assert_true(index_is_fresh(w));
	assert_owns(w, &alice, "10.1.2.2");
	put(w, "10.1.2.2", "bob\r\neth0");
	assert_owns(w, &alice, "");
	release(w, &alice);
	assert_file(w, "10.1.2.2", "bob\r\neth0", 0600);
	put(w, "10.1.2.2", "alice");
	release(w, &alice1); /* by container alone, any interface */
	put(w, "10.1.2.9", "x");
	assert_owns(w, &alice, "10.1.2.2");
	release(w, &alice1);
	assert_false(exists(w, "10.1.2.2"));
}

/* The index says what it likes: the address files decide. */
static void index_is_never_believed(void **state)
{
	struct world *w = *state;
	char name[64], path[PATH_MAX];

	assert_true(claim(w, &alice, "10.1.2.2"));
	assert_true(claim(w, &bob, "10.1.2.3"));
	(void)text_format(name, sizeof(name), INDEX_DIR "/%016llx",
			  (unsigned long long)index_hash("alice", "eth0"));
	take_away(w, name);
	in_folder(w, name, path);
	assert_int_equal(symlink("rubbish,10.1.2.3,10.9.9.9,,10.1.2.2", path), 0);
	assert_true(index_is_fresh(w)); /* nothing tells: the folder itself was not touched */
	assert_owns(w, &alice, "10.1.2.2");
	release(w, &alice);
	assert_true(exists(w, "10.1.2.3"));
	assert_false(exists(w, "10.1.2.2"));
}

static void damaged_index_is_rebuilt(void **state)
{
	static const char *const stamps[] = { "", "0.000000000 0.000000000", "rubbish", NULL };
	struct world *w = *state;
	char path[PATH_MAX];

	assert_true(claim(w, &alice, "10.1.2.2"));
	for (size_t i = 0; i < ARRAY_SIZE(stamps); i++) {
		char entry[64];

		(void)text_format(entry, sizeof(entry), INDEX_DIR "/%016llx",
				  (unsigned long long)index_hash("alice", "eth0"));
		take_away(w, entry);
		take_away(w, INDEX_DIR "/stamp");
		in_folder(w, INDEX_DIR "/stamp", path);
		if (stamps[i] != NULL && stamps[i][0] != '\0')
			assert_int_equal(symlink(stamps[i], path), 0);
		else if (stamps[i] != NULL)
			put(w, INDEX_DIR "/stamp", "a file");
		assert_owns(w, &alice, "10.1.2.2");
		assert_true(index_is_fresh(w));
		assert_int_equal(index_entries(w), 1);
	}
	(void)nftw((in_folder(w, INDEX_DIR, path), path), remove_one, 8, FTW_DEPTH | FTW_PHYS);
	assert_owns(w, &alice, "10.1.2.2");
	assert_true(claim(w, &alice, "10.1.2.3"));
	assert_true(index_is_fresh(w));
	assert_owns(w, &alice, "10.1.2.2 10.1.2.3");
}

/* Until the kernel's clock has moved on, all that happens has the same ctime before Linux 6.13. */
static void next_tick(void)
{
	struct timespec then, now;

	assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &then), 0);
	do {
		(void)poll(NULL, 0, 1);
		assert_int_equal(clock_gettime(CLOCK_REALTIME_COARSE, &now), 0);
	} while (now.tv_sec == then.tv_sec && now.tv_nsec == then.tv_nsec);
}

/* cp -a and tar put back an old mtime, but not the ctime. */
static void restored_times_do_not_deceive(void **state)
{
	struct world *w = *state;
	struct timespec times[2];
	struct stat st;

	assert_true(claim(w, &alice, "10.1.2.2"));
	assert_int_equal(stat(w->path, &st), 0);
	next_tick();
	put(w, "10.1.2.3", "bob\r\neth0");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, w->path, times, 0), 0);
	assert_false(index_is_fresh(w));
	assert_owns(w, &bob, "10.1.2.3");
}

static void index_that_cannot_be(void **state)
{
	struct world *w = *state;
	struct store s = STORE_CLOSED;
	const struct ip a = ip("10.1.2.9");
	struct cni_error err;
	bool got;

	assert_int_equal(mkdir(w->path, 0755), 0);
	put(w, INDEX_DIR, "a file in the way");
	put(w, "10.1.2.2", "alice\r\neth0");
	put(w, "10.1.2.3", "bob\r\neth0");
	assert_owns(w, &alice, "10.1.2.2");
	must_open(&s, w, true);
	assert_int_equal(store_claim(&s, &alice, &a, &got, &err), -1);
	assert_non_null(strstr(err.msg, INDEX_DIR));
	assert_int_equal(err.sys, ENOTDIR);
	store_close(&s);
	release(w, &alice);
	assert_false(exists(w, "10.1.2.2"));
	assert_owns(w, &bob, "10.1.2.3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reading_makes_no_index, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(others_changes_are_seen, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(folder_time_is_past, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(overwritten_in_place, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(index_is_never_believed, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(damaged_index_is_rebuilt, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(restored_times_do_not_deceive, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(index_that_cannot_be, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
