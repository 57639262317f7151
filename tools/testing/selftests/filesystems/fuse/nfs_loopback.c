// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/nfs_mount.h>
#include <linux/nfsd/cld.h>
#include <linux/nfsd/export.h>
#include <linux/nfsd_netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "nfs_loopback.h"

#define PORT	2049
/* Name of the client in the caches of the server */
#define CLIENT	"loopback"

#define ROOT_FSID	0
#define FSID		1
#define UUID		"\\x000102030405060708090a0b0c0d0e0f"

/* Cld_GetVersion of enum cld_command */
#define CLD_GET_VERSION	5

/* enum nfsd_fsid of fs/nfsd/nfsfh.h */
#define FSID_NUM	1
#define FSID_UUID16	6

#define OPEN_TO_ALL	(NFSEXP_INSECURE_PORT | NFSEXP_FSID)

const char *nfs_missing(void)
{
	char line[64];
	bool client = false, server = false;
	FILE *file = fopen("/proc/filesystems", "re");

	while (file && fgets(line, sizeof(line), file)) {
		client |= !strcmp(line, "nodev\tnfs4\n");
		server |= !strcmp(line, "nodev\tnfsd\n");
	}
	if (file)
		fclose(file);
	if (!server)
		return "needs CONFIG_NFSD and CONFIG_NFSD_V4";
	return client ? NULL : "needs CONFIG_NFS_V3 and CONFIG_NFS_V4";
}

static int write_line(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		err = -errno;
	close(fd);
	return err;
}

static int loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		err = -errno;
	close(fd);
	return err;
}

/*
 * The server registers NFSv3 with rpcbind, and does not start if this fails.
 */

static bool receive_all(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

/* Reads a call, and replies "true". */
static bool reply_true(int fd)
{
	__u32 reply[] = {
		htobe32(0x80000000 | 7 * 4),	/* last fragment */
		0,				/* xid */
		htobe32(1),			/* REPLY */
		0,				/* MSG_ACCEPTED */
		0, 0,				/* AUTH_NULL */
		0,				/* SUCCESS */
		htobe32(1),
	};
	unsigned char call[1024];
	__u32 len;

	if (!receive_all(fd, &len, sizeof(len)))
		return false;
	len = be32toh(len) & 0x7fffffff;
	if (len < sizeof(__u32) || len > sizeof(call) ||
	    !receive_all(fd, call, len))
		return false;
	memcpy(&reply[1], call, sizeof(__u32));
	return send(fd, reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply);
}

#define CONNECTIONS	16

static void *rpcbind(void *arg)
{
	struct pollfd fds[CONNECTIONS + 1] = {
		{ .fd = ((struct nfs *)arg)->rpcbind, .events = POLLIN },
	};
	unsigned int nr = 1, i;
	int fd;

	for (;;) {
		if (poll(fds, nr, -1) < 0 && errno != EINTR)
			return NULL;
		for (i = nr - 1; i; i--) {
			if (!fds[i].revents || reply_true(fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--nr];
		}
		if (!fds[0].revents)
			continue;
		/* Fails once the socket is shut down */
		fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			break;
		if (nr > CONNECTIONS) {
			close(fd);
			continue;
		}
		fds[nr].fd = fd;
		fds[nr].events = POLLIN;
		fds[nr++].revents = 0;
	}
	while (--nr)
		close(fds[nr].fd);
	return NULL;
}

static int start_rpcbind(struct nfs *n)
{
	static const char name[] = "\0/run/rpcbind.sock";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	memcpy(addr.sun_path, name, sizeof(name) - 1);
	if (bind(fd, (struct sockaddr *)&addr, len) || listen(fd, CONNECTIONS)) {
		err = -errno;
		close(fd);
		return err;
	}
	n->rpcbind = fd;
	return -pthread_create(&n->rpcbind_thread, NULL, rpcbind, n);
}

/*
 * The server asks a daemon whether clients have state to reclaim. Without an answer, it
 * refuses opens for the grace period. Here, no client has.
 */
static void *track_clients(void *arg)
{
	struct nfs *n = arg;
	struct cld_msg_v2 msg;
	char path[128];
	int fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/pipes/nfsd/cld", n->base);
	while (!__atomic_load_n(&n->stop, __ATOMIC_SEQ_CST)) {
		struct pollfd poll_fd = { .events = POLLIN };

		/* The server creates the pipe when it starts. */
		if (fd < 0)
			fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		poll_fd.fd = fd;
		if (poll(&poll_fd, 1, 10) <= 0)
			continue;
		len = read(fd, &msg, sizeof(msg));
		if (len < (ssize_t)sizeof(struct cld_msg_hdr))
			continue;
		msg.cm_status = 0;
		if (msg.cm_cmd == CLD_GET_VERSION)
			msg.cm_u.cm_version = CLD_UPCALL_VERSION;
		if (write(fd, &msg, len) != len)
			break;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/*
 * Server
 */

static int nfsd_write(const struct nfs *n, const char *file, const char *line)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/nfsd/%s", n->base, file);
	return write_line(path, line);
}

/*
 * Generic netlink, by which the server gets the key that signs its file handles
 */

struct genl_message {
	struct nlmsghdr header;
	struct genlmsghdr genl;
	unsigned char data[1024];
};

static void genl_init(struct genl_message *m, __u16 family, __u8 cmd)
{
	memset(m, 0, sizeof(*m));
	m->header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	m->header.nlmsg_type = family;
	m->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m->genl.cmd = cmd;
	m->genl.version = 1;
}

static void genl_put(struct genl_message *m, __u16 type, const void *data,
		     size_t len)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + len, .nla_type = type };
	unsigned char *p = (unsigned char *)m + m->header.nlmsg_len;

	memcpy(p, &attr, sizeof(attr));
	memcpy(p + NLA_HDRLEN, data, len);
	m->header.nlmsg_len += NLA_ALIGN(attr.nla_len);
}

/* Sends a request, which the reply replaces. Returns 0 or a negative errno. */
static int genl_call(int fd, struct genl_message *m)
{
	struct nlmsgerr error;
	ssize_t len;

	if (send(fd, m, m->header.nlmsg_len, 0) < 0)
		return -errno;
	len = recv(fd, m, sizeof(*m), 0);
	if (len < 0)
		return -errno;
	if (m->header.nlmsg_type != NLMSG_ERROR)
		return 0;
	memcpy(&error, NLMSG_DATA(&m->header), sizeof(error));
	return error.error;
}

static int family_id(int fd)
{
	struct genl_message m;
	size_t at = 0;
	int err;

	genl_init(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	genl_put(&m, CTRL_ATTR_FAMILY_NAME, NFSD_FAMILY_NAME,
		 sizeof(NFSD_FAMILY_NAME));
	m.header.nlmsg_flags = NLM_F_REQUEST;
	err = genl_call(fd, &m);
	while (!err && at + NLA_HDRLEN < sizeof(m.data)) {
		struct nlattr *attr = (struct nlattr *)(m.data + at);

		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(__u16 *)(m.data + at + NLA_HDRLEN);
		if (attr->nla_len < NLA_HDRLEN)
			break;
		at += NLA_ALIGN(attr->nla_len);
	}
	return err ?: -ENOENT;
}

/* Sets a key, and starts the threads. */
static int start_threads(void)
{
	static const unsigned char key[16] = "not a secret key";
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct genl_message m;
	__u32 nr = 4;
	int ret;

	if (fd < 0)
		return -errno;
	ret = family_id(fd);
	if (ret > 0) {
		genl_init(&m, ret, NFSD_CMD_THREADS_SET);
		genl_put(&m, NFSD_A_SERVER_THREADS, &nr, sizeof(nr));
		genl_put(&m, NFSD_A_SERVER_FH_KEY, key, sizeof(key));
		ret = genl_call(fd, &m);
	}
	close(fd);
	return ret;
}

static int make_directories(struct nfs *n)
{
	char path[128];

	strcpy(n->base, "/tmp/nfs_XXXXXX");
	if (!mkdtemp(n->base) || mount("nfs_base", n->base, "tmpfs", 0, NULL))
		return -errno;
	snprintf(n->export, sizeof(n->export), "%s/export", n->base);
	snprintf(n->dir, sizeof(n->dir), "%s/client", n->base);
	snprintf(path, sizeof(path), "%s/nfsd", n->base);
	if (mkdir(n->export, 0755) || mkdir(n->dir, 0755) || mkdir(path, 0755) ||
	    mount("nfsd", path, "nfsd", 0, NULL))
		return -errno;
	snprintf(path, sizeof(path), "%s/pipes", n->base);
	if (mkdir(path, 0755) || mount("pipes", path, "rpc_pipefs", 0, NULL))
		return -errno;
	return 0;
}

int nfs_start(struct nfs *n, int version)
{
	int err;

	memset(n, 0, sizeof(*n));
	n->version = version;
	if (unshare(CLONE_NEWNET))
		return -errno;
	err = loopback_up();
	if (!err)
		err = make_directories(n);
	if (!err)
		err = start_rpcbind(n);
	if (!err)
		err = -pthread_create(&n->tracking_thread, NULL, track_clients, n);
	if (err)
		return err;
	n->has_server = true;
	err = nfsd_write(n, "portlist", "tcp 2049\n");
	return err ?: start_threads();
}

/* Adds an entry to a cache of the server. */
static __printf(2, 3) int add_entry(const char *cache, const char *format, ...)
{
	char line[512], path[64];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "/proc/net/rpc/%s/channel", cache);
	return write_line(path, line);
}

static int flush_entries(const char *cache)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/net/rpc/%s/flush", cache);
	return write_line(path, "1\n");
}

static int add_export(const char *path, long expiry, unsigned int flags,
		      unsigned int fsid, const char *more)
{
	return add_entry("nfsd.export", CLIENT " %s %ld %u 65534 65534 %u%s\n",
			 path, expiry, flags, fsid, more);
}

static int add_fsid(const char *path, long expiry, __u32 fsid)
{
	const unsigned char *p = (void *)&fsid;

	return add_entry("nfsd.fh", CLIENT " %d \\x%02x%02x%02x%02x %ld %s\n",
			 FSID_NUM, p[0], p[1], p[2], p[3], expiry, path);
}

int nfs_export(struct nfs *n, unsigned int flags)
{
	unsigned int options = OPEN_TO_ALL;
	long expiry = time(NULL) + 100000;
	int err;

	if (!(flags & NFS_SUBTREE))
		options |= NFSEXP_NOSUBTREECHECK;
	if (flags & NFS_BY_UUID)
		options &= ~NFSEXP_FSID;
	if (flags & NFS_SIGNED)
		options |= NFSEXP_SIGN_FH;

	err = flush_entries("nfsd.fh");
	if (!err)
		err = flush_entries("nfsd.export");
	if (!err)
		err = add_entry("auth.unix.ip", "nfsd 127.0.0.1 %ld " CLIENT "\n",
				expiry);
	if (!err)
		err = add_export(n->base, expiry, OPEN_TO_ALL | NFSEXP_V4ROOT |
				 NFSEXP_READONLY | NFSEXP_NOSUBTREECHECK,
				 ROOT_FSID, "");
	if (!err)
		err = add_fsid(n->base, expiry, ROOT_FSID);
	if (!err)
		err = add_export(n->export, expiry, options, FSID,
				 flags & NFS_BY_UUID ? " uuid " UUID : "");
	if (err)
		return err;
	if (flags & NFS_BY_UUID)
		return add_entry("nfsd.fh", CLIENT " %d " UUID " %ld %s\n",
				 FSID_UUID16, expiry, n->export);
	return add_fsid(n->export, expiry, FSID);
}

void nfs_stop(struct nfs *n)
{
	/* After a failure, files can still be open. */
	if (nfs_umount(n))
		umount2(n->dir, MNT_FORCE | MNT_DETACH);
	if (!n->has_server)
		return;
	n->has_server = false;
	nfsd_write(n, "threads", "0\n");
	flush_entries("nfsd.fh");
	flush_entries("nfsd.export");
	shutdown(n->rpcbind, SHUT_RDWR);
	pthread_join(n->rpcbind_thread, NULL);
	close(n->rpcbind);
	__atomic_store_n(&n->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(n->tracking_thread, NULL);
}

void nfs_remove(struct nfs *n)
{
	umount2(n->base, MNT_DETACH);
	rmdir(n->base);
}

/*
 * Client
 */

/* Requests the file handle of the export, as mountd does. */
static int root_handle(const struct nfs *n, struct nfs3_fh *fh)
{
	char path[128], line[256];
	unsigned int byte;
	ssize_t len;
	int fd, err;

	snprintf(path, sizeof(path), "%s/nfsd/filehandle", n->base);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = snprintf(line, sizeof(line), CLIENT " %s %d\n", n->export,
		       NFS3_FHSIZE);
	if (write(fd, line, len) != len) {
		err = -errno;
		close(fd);
		return err;
	}
	len = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[len > 0 ? len : 0] = '\0';
	/* "\x" and hexadecimal digits */
	for (fh->size = 0; fh->size < NFS3_FHSIZE; fh->size++) {
		if (sscanf(line + 2 + 2 * fh->size, "%2x", &byte) != 1)
			break;
		fh->data[fh->size] = byte;
	}
	return fh->size ? 0 : -EIO;
}

/*
 * Mounts of NFSv3 with options request the root from mountd. The structure contains
 * it.
 */
static int mount_v3(struct nfs *n)
{
	static union {
		struct nfs_mount_data data;
		char page[4096];
	} u;
	int err;

	memset(&u, 0, sizeof(u));
	err = root_handle(n, &u.data.root);
	if (err)
		return err;
	u.data.version = NFS_MOUNT_VERSION;
	u.data.flags = NFS_MOUNT_VER3 | NFS_MOUNT_TCP | NFS_MOUNT_NONLM;
	u.data.timeo = 600;
	u.data.retrans = 2;
	u.data.acregmin = 3;
	u.data.acregmax = 3;
	u.data.acdirmin = 3;
	u.data.acdirmax = 3;
	u.data.addr.sin_family = AF_INET;
	u.data.addr.sin_port = htobe16(PORT);
	u.data.addr.sin_addr.s_addr = htobe32(INADDR_LOOPBACK);
	strcpy(u.data.hostname, "127.0.0.1");
	return mount("127.0.0.1:/export", n->dir, "nfs", 0, &u) ? -errno : 0;
}

int nfs_mount(struct nfs *n)
{
	int err;

	if (n->version == 3)
		err = mount_v3(n);
	else
		err = mount("127.0.0.1:/export", n->dir, "nfs4", 0,
			    "vers=4.1,addr=127.0.0.1,clientaddr=127.0.0.1,"
			    "proto=tcp,port=2049,sec=sys") ? -errno : 0;
	n->has_client = !err;
	return err;
}

int nfs_umount(struct nfs *n)
{
	if (!n->has_client)
		return 0;
	if (umount2(n->dir, 0))
		return -errno;
	n->has_client = false;
	return 0;
}

int evict_everything(void)
{
	return write_line("/proc/sys/vm/drop_caches", "3\n");
}
