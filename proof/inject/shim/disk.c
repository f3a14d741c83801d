/*
 * A disk that can be switched off, for one redis-server.
 *
 * Loaded in front of libc, this notes how much of each file is really on disk:
 * its size at the start of its last fsync or fdatasync that succeeded. Whoever
 * kills the server can then take away the rest, as a power cut would. It can
 * also make syncs slow or fail, and writes fail. Notes and orders are in a file
 * that both sides map, so they outlive the server.
 *
 * A name that was made since its directory was last synced, of a file that never
 * was, is in no note: it may be gone after a cut. A rename that no sync of the
 * directory followed is taken as done.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4096

/* Keep in step with board in disk.go. */
struct board {
	_Atomic uint64_t sync_error;    /* errno of every sync of a file; 0 is none */
	_Atomic uint64_t sync_delay_us; /* that every sync of a file takes longer */
	_Atomic uint64_t write_error;   /* errno of every write to a file */
	_Atomic uint64_t syncs;         /* syncs that succeeded */
	struct {
		_Atomic uint64_t inode;
		_Atomic uint64_t size;
	} files[FILES];
};

static struct board *board;
static int (*libc_fsync)(int);
static int (*libc_fdatasync)(int);
static ssize_t (*libc_write)(int, const void *, size_t);
static int (*libc_rename)(const char *, const char *);
static int (*libc_unlink)(const char *);

static void die(const char *what)
{
	perror(what);
	_exit(99);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("TANDEM_DISK_BOARD");

	libc_fsync = dlsym(RTLD_NEXT, "fsync");
	libc_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	libc_write = dlsym(RTLD_NEXT, "write");
	libc_rename = dlsym(RTLD_NEXT, "rename");
	libc_unlink = dlsym(RTLD_NEXT, "unlink");
	if (!path)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("tandem disk: open board");
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (board == MAP_FAILED)
		die("tandem disk: map board");
	close(fd);
}

/* note finds the entry of a file, or makes one. */
static _Atomic uint64_t *note(uint64_t inode)
{
	for (unsigned i = 0; i < FILES; i++) {
		unsigned at = (inode + i) % FILES;
		uint64_t free = 0;

		if (atomic_compare_exchange_strong(&board->files[at].inode, &free, inode) || free == inode)
			return &board->files[at].size;
	}
	die("tandem disk: too many files");
	return NULL;
}

static void grow(_Atomic uint64_t *size, uint64_t to)
{
	uint64_t now = atomic_load(size);

	while (now < to && !atomic_compare_exchange_weak(size, &now, to))
		;
}

/* forget is called when a name goes: another file may get its inode. */
static void forget(const char *path)
{
	struct stat st;

	if (board && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
		atomic_store(note(st.st_ino), 0);
}

/* names notes every file of a directory that was synced: its name is on disk. */
static void names(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir)
		die("tandem disk: read directory");
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			note(entry->d_ino);
	closedir(dir);
}

static int sync_with(int (*libc_sync)(int), int fd)
{
	struct stat st;

	if (!board || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return libc_sync(fd);
	if (S_ISREG(st.st_mode)) {
		uint64_t delay = atomic_load(&board->sync_delay_us), error;

		if (delay)
			usleep(delay);
		if ((error = atomic_load(&board->sync_error))) {
			errno = error;
			return -1;
		}
	}
	if (libc_sync(fd) != 0)
		return -1;
	if (S_ISREG(st.st_mode))
		grow(note(st.st_ino), st.st_size);
	else
		names(fd);
	atomic_fetch_add(&board->syncs, 1);
	return 0;
}

int fsync(int fd) { return sync_with(libc_fsync, fd); }
int fdatasync(int fd) { return sync_with(libc_fdatasync, fd); }

ssize_t write(int fd, const void *bytes, size_t n)
{
	uint64_t error = board ? atomic_load(&board->write_error) : 0;
	struct stat st;

	if (error && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		errno = error;
		return -1;
	}
	return libc_write(fd, bytes, n);
}

int rename(const char *from, const char *to)
{
	forget(to);
	return libc_rename(from, to);
}

int unlink(const char *path)
{
	forget(path);
	return libc_unlink(path);
}
