/* A disk on which one system call fails, and a power cut. For LD_PRELOAD, shared by all processes of a trial.
 *
 * Tracked are the regular files directly in FAULT_DIR but for -shm (memory), and of the files of the owners pair.json, whose
 * name is on the disk from the beginning. A write makes
 * sectors dirty. A sync that succeeds copies them to the file's image: the content after a power cut; it also
 * makes the names of the directory durable, as journaling file systems do. A sync that fails forgets the
 * dirty sectors: Linux takes the pages for clean. Each descriptor that was open then reports the
 * error once (fsync(2), since Linux 4.13), unless FAULT_ONCE is set.
 *
 * FAULT_OP (open, write, truncate, sync, rename, unlink) on a file whose name ends with FAULT_FILE fails the FAULT_AT-th
 * time, and FAULT_TIMES times in all, with FAULT_ERRNO; FAULT_SHORT writes half. FAULT_CUT calls later, after FAULT_ACKS lines on stdout, or
 * when FAULT_STATE.cut appears, the power is cut: every process is killed. FAULT_STATE.trace has the lines of stdout
 * that begin with A or E, "S" for each sync of a -wal that succeeded, and "F" for the failure, in their order.
 * With FAULT_LOG the trace has each tracked call too ("C OP NAME").
 * Each write to a database takes FAULT_SLOW microseconds, so that commits fall into checkpoints.
 * With FAULT_RESTORE the directory gets the content of the images, and the process ends. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR 512
#define SECTORS (128 * 1024)
#define FILES 96
#define FDS 4096

struct file { ino_t inode; off_t size; int errors, told; unsigned char dirty[SECTORS / 8]; };
struct name { char name[200]; int file; };
struct state {
  volatile int lock, dead;
  int files, names, matched, failed, acks;
  long calls, cutAt;
  struct file file[FILES];
  struct name name[FILES];
};

static struct state *S;
static const char *dir, *statePath, *op, *suffix;
static int failAt, failTimes, failErrno, failShort, once, cutAfter, ackLimit, slow, logged, trace = -1;
static int images[FILES], sampled[FDS];

static ssize_t (*r_write)(int, const void *, size_t);
static ssize_t (*r_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*r_writev)(int, const struct iovec *, int);
static ssize_t (*r_pwritev)(int, const struct iovec *, int, off_t);
static int (*r_ftruncate)(int, off_t), (*r_fsync)(int), (*r_fdatasync)(int), (*r_open)(const char *, int, ...);
static int (*r_rename)(const char *, const char *), (*r_unlink)(const char *);

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }
static void enter(void) {
  while (__sync_lock_test_and_set(&S->lock, 1)) { if (S->dead) die(); usleep(20); }
  if (S->dead) { __sync_lock_release(&S->lock); die(); }
}
static void leave(void) { int why = errno; __sync_lock_release(&S->lock); errno = why; }
static void note(const char *text, size_t length) { if (r_write(trace, text, length) < 0) abort(); }

/* The name within the directory, or NULL when the path is not tracked. */
static const char *within(const char *path) {
  size_t n = dir ? strlen(dir) : 0;
  if (!n || strncmp(path, dir, n) || path[n] != '/') return NULL;
  const char *name = path + n + 1;
  const char *below = strchr(name, '/');
  if (below && strcmp(below, "/pair.json")) return NULL;
  return strstr(name, "-shm") || !*name || strlen(name) > 190 ? NULL : name;
}

static int image(int i) {
  char path[600];
  if (images[i]) return images[i];
  snprintf(path, sizeof path, "%s.%d", statePath, i);
  return images[i] = r_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* The file of a descriptor with its name, or -1. A file that is seen first is on disk as it is. Under the lock. */
static int tracked(int fd, char *name) {
  char link[64], path[512];
  struct stat st;
  if (!S || fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) return -1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return -1;
  path[n] = 0;
  const char *found = within(path);
  if (!found) return -1;
  strcpy(name, found);
  for (int i = 0; i < S->files; i++) if (S->file[i].inode == st.st_ino) return i;
  if (S->files == FILES) return -1;
  int i = S->files++;
  S->file[i].inode = st.st_ino;
  S->file[i].size = st.st_size;
  char *data = malloc(st.st_size + 1);
  int own = r_open(path, O_RDONLY | O_CLOEXEC); /* Not closed: that would drop the locks of SQLite. */
  if (st.st_size && (own < 0 || pread(own, data, st.st_size, 0) < 0 || r_pwrite(image(i), data, st.st_size, 0) < 0)) abort();
  free(data);
  if ((st.st_size || strchr(name, '/')) && S->names < FILES) { strcpy(S->name[S->names].name, name); S->name[S->names++].file = i; }
  return i;
}

/* Counts a call. Returns whether it is the one that fails. Under the lock. */
static int fails(const char *what, const char *name) {
  S->calls++;
  if (logged) { char line[300]; note(line, snprintf(line, sizeof line, "C %s %.200s\n", what, name)); }
  if (S->failed && S->cutAt && S->calls >= S->cutAt) { S->dead = 1; die(); }
  if (!op || S->failed >= failTimes || strcmp(op, what)) return 0;
  size_t n = strlen(name), m = strlen(suffix);
  if (n < m || strcmp(name + n - m, suffix)) return 0;
  if (++S->matched < failAt) return 0;
  if (!S->failed++) S->cutAt = S->calls + cutAfter;
  note("F\n", 2);
  return 1;
}

static void mark(int i, off_t from, off_t length) {
  for (off_t s = from / SECTOR; s <= (from + length - 1) / SECTOR && s < SECTORS; s++) S->file[i].dirty[s / 8] |= 1 << s % 8;
}

static void *watch(void *unused) {
  char path[600];
  snprintf(path, sizeof path, "%s.cut", statePath);
  for (;;) {
    if (S->dead) die();
    if (!access(path, F_OK)) S->dead = 1;
    usleep(2000);
  }
  return unused;
}

static void restore(void) {
  char path[600];
  DIR *d = opendir(dir);
  for (struct dirent *e; (e = readdir(d));) {
    snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
    int kept = e->d_type != DT_REG;
    for (int i = 0; i < S->names; i++) kept |= !strcmp(S->name[i].name, e->d_name);
    if (!kept) r_unlink(path);
  }
  closedir(d);
  for (int i = 0; i < S->names; i++) {
    struct file *f = &S->file[S->name[i].file];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, S->name[i].name);
    if (!stat(path, &st) && st.st_ino != f->inode) r_unlink(path);
    int fd = r_open(path, O_RDWR | O_CREAT, 0600);
    char *data = calloc(1, f->size + 1);
    if (fd < 0 || pread(image(S->name[i].file), data, f->size, 0) < 0 || r_ftruncate(fd, 0)) abort();
    if (f->size && r_pwrite(fd, data, f->size, 0) != f->size) abort();
    close(fd);
    free(data);
  }
}

__attribute__((constructor)) static void begin(void) {
  char path[600];
  r_write = dlsym(RTLD_NEXT, "write"); r_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  r_writev = dlsym(RTLD_NEXT, "writev"); r_pwritev = dlsym(RTLD_NEXT, "pwritev64");
  r_ftruncate = dlsym(RTLD_NEXT, "ftruncate64"); r_fsync = dlsym(RTLD_NEXT, "fsync");
  r_fdatasync = dlsym(RTLD_NEXT, "fdatasync"); r_open = dlsym(RTLD_NEXT, "open64");
  r_rename = dlsym(RTLD_NEXT, "rename"); r_unlink = dlsym(RTLD_NEXT, "unlink");
  if (!(statePath = getenv("FAULT_STATE"))) return;
  op = getenv("FAULT_OP"); suffix = getenv("FAULT_FILE");
  failAt = atoi(getenv("FAULT_AT") ?: "0"); failTimes = atoi(getenv("FAULT_TIMES") ?: "1"); failErrno = atoi(getenv("FAULT_ERRNO") ?: "5");
  failShort = !!getenv("FAULT_SHORT"); once = !!getenv("FAULT_ONCE");
  cutAfter = atoi(getenv("FAULT_CUT") ?: "0"); ackLimit = atoi(getenv("FAULT_ACKS") ?: "1000000");
  logged = !!getenv("FAULT_LOG");
  slow = atoi(getenv("FAULT_SLOW") ?: "0");
  int fd = r_open(statePath, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || r_ftruncate(fd, sizeof *S)) abort();
  void *memory = mmap(NULL, sizeof *S, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) abort();
  S = memory;
  dir = getenv("FAULT_DIR");
  if (getenv("FAULT_RESTORE")) { restore(); _exit(0); }
  snprintf(path, sizeof path, "%s.trace", statePath);
  trace = r_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pthread_t thread;
  pthread_create(&thread, NULL, watch, NULL);
}

static ssize_t said(int fd, const char *text, size_t size) {
  enter();
  note(text, size);
  if (*text == 'A' && ++S->acks >= ackLimit) { S->dead = 1; die(); }
  leave();
  return r_write(fd, text, size);
}

/* A write of `all` at `at` (negative: at the descriptor's place), or of half of it. */
#define WRITING(fd, at, length, all, half)                                  \
  char name[512];                                                           \
  enter();                                                                  \
  int i = tracked(fd, name);                                                \
  if (i < 0) { leave(); return all; }                                       \
  off_t from = at;                                                          \
  if (from < 0) { struct stat st; from = fcntl(fd, F_GETFL) & O_APPEND && !fstat(fd, &st) ? st.st_size : lseek(fd, 0, SEEK_CUR); } \
  int fail = fails("write", name);                                          \
  if (fail && !failShort) { errno = failErrno; leave(); return -1; }        \
  ssize_t written = fail && length > 1 ? half : all;                        \
  if (written > 0) mark(i, from, written);                                  \
  leave();                                                                  \
  if (slow && strlen(name) > 3 && !strcmp(name + strlen(name) - 3, ".db")) usleep(slow); \
  return written;

static int passes(int fd) { struct stat st; return !S || fstat(fd, &st) || !S_ISREG(st.st_mode); }

ssize_t write(int fd, const void *data, size_t size) {
  if (S && dir && fd == 1 && size > 1 && strchr("AE", *(const char *)data)) return said(fd, data, size);
  if (passes(fd)) return r_write(fd, data, size);
  WRITING(fd, -1, size, r_write(fd, data, size), r_write(fd, data, size / 2))
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) {
  if (passes(fd)) return r_pwrite(fd, data, size, at);
  WRITING(fd, at, size, r_pwrite(fd, data, size, at), r_pwrite(fd, data, size / 2, at))
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }
ssize_t writev(int fd, const struct iovec *v, int n) {
  if (passes(fd)) return r_writev(fd, v, n);
  WRITING(fd, -1, v[0].iov_len, r_writev(fd, v, n), r_write(fd, v[0].iov_base, v[0].iov_len / 2))
}
ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at) {
  if (passes(fd)) return r_pwritev(fd, v, n, at);
  WRITING(fd, at, v[0].iov_len, r_pwritev(fd, v, n, at), r_pwrite(fd, v[0].iov_base, v[0].iov_len / 2, at))
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { return pwritev64(fd, v, n, at); }

int ftruncate64(int fd, off_t size) {
  char name[512];
  if (passes(fd)) return r_ftruncate(fd, size);
  enter();
  int i = tracked(fd, name);
  if (i >= 0 && fails("truncate", name)) { errno = failErrno; leave(); return -1; }
  int result = r_ftruncate(fd, size);
  leave();
  return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static void makeNamesDurable(void) {
  char path[600];
  DIR *d = opendir(dir);
  int kept = 0;
  for (int i = 0; i < S->names; i++) if (strchr(S->name[i].name, '/')) S->name[kept++] = S->name[i];
  S->names = kept;
  for (struct dirent *e; (e = readdir(d)) && S->names < FILES;) {
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
    if (!within(path) || stat(path, &st)) continue;
    for (int i = 0; i < S->files; i++)
      if (S->file[i].inode == st.st_ino) { strcpy(S->name[S->names].name, e->d_name); S->name[S->names++].file = i; break; }
  }
  closedir(d);
}

static int syncing(int fd, int (*real)(int)) {
  char name[512] = "";
  struct stat st;
  if (!S) return real(fd);
  enter();
  if (fstat(fd, &st)) { leave(); return real(fd); }
  int i = tracked(fd, name);
  if (i < 0) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0 && (path[n] = 0, dir && !strcmp(path, dir))) {
      if (fails("sync", "/")) { errno = failErrno; leave(); return -1; }
      makeNamesDurable();
    }
    leave();
    return 0;
  }
  struct file *f = &S->file[i];
  int fail = fails("sync", name);
  if (fail) f->errors++;
  if (fail || (!once && fd < FDS && sampled[fd] < f->errors)) {
    if (fail) memset(f->dirty, 0, sizeof f->dirty);
    if (fd < FDS) sampled[fd] = f->errors;
    f->told = f->errors;
    errno = failErrno;
    leave();
    return -1;
  }
  if (f->size > st.st_size && r_ftruncate(image(i), st.st_size) < 0) abort();
  f->size = st.st_size;
  for (off_t s = 0; s * SECTOR < st.st_size && s < SECTORS; s++) {
    char sector[SECTOR];
    if (!(f->dirty[s / 8] & 1 << s % 8)) continue;
    ssize_t n = pread(fd, sector, SECTOR, s * SECTOR);
    if (n < 0) { char link[64]; snprintf(link, sizeof link, "/proc/self/fd/%d", fd); int own = r_open(link, O_RDONLY | O_CLOEXEC); n = pread(own, sector, SECTOR, s * SECTOR); }
    if (n < 0 || r_pwrite(image(i), sector, n, s * SECTOR) < 0) abort();
  }
  memset(f->dirty, 0, sizeof f->dirty);
  makeNamesDurable();
  if (strstr(name, "-wal")) note("S\n", 2);
  leave();
  return 0;
}
int fsync(int fd) { return syncing(fd, r_fsync); }
int fdatasync(int fd) { return syncing(fd, r_fdatasync); }

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  const char *name = S ? within(path) : NULL;
  if (!name) return r_open(path, flags, mode);
  char found[512];
  enter();
  if (fails("open", name)) { errno = failErrno; leave(); return -1; }
  int fd = r_open(path, flags, mode), i = fd < 0 ? -1 : tracked(fd, found);
  /* An error that was reported to nobody yet is reported to who opens the file. */
  if (i >= 0 && fd < FDS) sampled[fd] = S->file[i].told;
  leave();
  return fd;
}
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open64(path, flags, mode);
}

int rename(const char *from, const char *to) {
  const char *name = S ? within(to) : NULL;
  if (!name) return r_rename(from, to);
  enter();
  int result = -1;
  if (fails("rename", name)) errno = failErrno;
  else result = r_rename(from, to);
  leave();
  return result;
}
int unlink(const char *path) {
  const char *name = S ? within(path) : NULL;
  if (!name) return r_unlink(path);
  enter();
  int result = -1;
  if (fails("unlink", name)) errno = failErrno;
  else result = r_unlink(path);
  leave();
  return result;
}
