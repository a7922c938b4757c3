/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The generic netlink family of dpr.ko: the one contract between the kernel
 * module and user space. The module answers in kmod/genl*.c; Go asks through
 * userland/dprnl, whose constants are generated from this file.
 *
 * The family is called "dpr" and lives in the sender's network namespace.
 * Every command, reading ones too, needs CAP_NET_ADMIN in the user namespace
 * that owns the network namespace; without it the answer is EPERM.
 *
 * Conventions
 *   - An attribute that a command does not list is refused (EINVAL). Every
 *     refusal carries an extended ack that names the attribute and says what
 *     is wrong; a refused command has changed nothing.
 *   - An address ("addr") has four bytes, or 16 if it is an IPv6 one, in network
 *     byte order. An IPv4 address in IPv6's form (::ffff:0:0/96) is refused. All
 *     numbers, ports too, are in host byte order.
 *   - Times are milliseconds (u32) unless their name says otherwise.
 *   - A dump may be cut into any number of messages; a row changed while the
 *     dump runs may appear old, new, or (flows only) twice.
 */
#ifndef _DPR_H
#define _DPR_H

#include <linux/types.h>

#define DPR_GENL_NAME		"dpr"
/*
 * 2: DPR_PEER_A_DOWN and what follows it, SERVICE_A_STATE, CONFIG_A_SLOW_START
 * 3: SERVICE_SET, SERVICE_A_CONNECTIONS and what follows it, CONFIG_A_AFFINITY and what
 *    follows it
 * 4: IPv6 addresses, CONFIG_A_AFFINITY6, SERVICE_A_AFFINITY6, PEER_A_ADDRESSES6,
 *    BARRED_FAMILY, SERVICE_A_LOAD, PEER_A_SERVICE_CONNECTIONS, PEER_A_SERVICE_LOADS,
 *    CONFIG_A_FORWARDING, SERVICE_A_FORWARDING, PEER_A_FORWARDING
 * 5: PEER_ASK, PEER_A_ANSWERS, CONFIG_A_ANSWERS, CONFIG_A_GROUP, protocol 4 between hosts
 * 6: RULES_SET, RULES_GET, RULES_TEST
 * 7: SERVICE_A_DISPATCH, CONFIG_A_HANDOVER_KEYS, CONFIG_A_HANDOVER_KEY_IDS, protocol 5
 *    between hosts
 * 8: DISPATCH_REQUEST, protocol 6 between hosts; BACKEND_SET, BACKEND_DEL, BACKEND_GET,
 *    CONFIG_A_SPLICE_FIRST_PORT and what follows it
 * 9: BACKEND_A_PROXY, backends of services with DISPATCH_CONNECTION; BACKEND_SET of DOWN alone
 */
#define DPR_GENL_VERSION	9
/* Multicast group of enum dpr_event messages (DPR_CMD_EVENT). */
#define DPR_GENL_GROUP_EVENTS	"events"

#define DPR_MAX_SERVICES	256	/* services of one namespace */
#define DPR_MAX_SERVICE_LOADS	16	/* ports of services with DPR_SERVICE_LOAD_SERVICE */
#define DPR_MAX_PEERS		16384	/* known peers of one namespace */
#define DPR_MAX_FLOWS		(1U << 24) /* upper limit of DPR_CONFIG_A_MAX_FLOWS */
#define DPR_MAX_WEIGHT		65535	/* largest weight of a metric or a host */
#define DPR_MAX_TIMEOUT		(7U * 24 * 3600 * 1000) /* one week, in ms */
#define DPR_MAX_EXPIRE_BUDGET	65536	/* flows one DPR_CMD_EXPIRE looks at */
#define DPR_MAX_ADDRESSES	16	/* other addresses of a peer */
#define DPR_MAX_HANDOVER_KEYS	2	/* of DPR_CONFIG_A_HANDOVER_KEYS */
#define DPR_HANDOVER_KEY_LEN	16	/* bytes of a key, without its id */
#define DPR_MAX_BACKENDS	64	/* backends of one namespace */
#define DPR_MAX_BACKEND_NAME	32	/* characters of a backend's name */
#define DPR_MAX_BACKEND_SERVICES 16	/* ports of services that a backend has */
#define DPR_BACKEND_PROXY	2	/* version of the PROXY protocol that backends can get */
#define DPR_MAX_SPLICES		(1U << 22) /* upper limit of DPR_CONFIG_A_MAX_SPLICES */
#define DPR_MAX_CPU		1000	/* CPU utilisation, in thousandths */
#define DPR_MAX_RULES		64	/* rules of a service */
#define DPR_MAX_RULES_BYTES	32768	/* all records of a service's rules */
#define DPR_MAX_RULES_GROUPS	32	/* groups of a service */
#define DPR_MAX_RULES_MEMBERS	64	/* hosts of a group */
#define DPR_MAX_RULES_NAME	32	/* characters of a group's name */
#define DPR_MAX_RULES_SPILL	1000	/* percent above the mean load of a group */
#define DPR_RULES_NONE		255	/* no group, no rule */
/* Answers of a peer to DPR_CMD_PEER_ASK: bits of DPR_PEER_A_ANSWERS. */
#define DPR_ANSWER_TUNNEL	1	/* through the tunnel */
#define DPR_ANSWER_OWN		2	/* past the tunnel, from the peer's own address */
#define DPR_ANSWER_FOREIGN	4	/* past the tunnel, from this host's address */
/* A MaxLoad that follows the mean load of all hosts. */
#define DPR_MAX_LOAD_AUTO	0xffffffffffffffffULL

/**
 * enum dpr_cmd - the family's commands
 *
 * @DPR_CMD_CONFIG_GET: do; no request attributes. Answers with one message of
 *	all DPR_CONFIG_A_*. In a namespace that was never configured ADDRESS
 *	is 0.0.0.0 and the rest are the defaults.
 * @DPR_CMD_CONFIG_SET: do; any of DPR_CONFIG_A_*. Applies all given values
 *	or none. Existing connections survive every change.
 *	ADDRESS must be set before the first service is added, can be changed
 *	at any time, and must be an address of this host. EDQUOT in a namespace
 *	of another user namespace than the initial one, if MAX_FLOWS or a
 *	timeout is above that of the initial network namespace.
 * @DPR_CMD_SERVICE_ADD: do; PORT, optionally ADDRESS and rules of its own: POLICY,
 *	HASH, MAX_LOAD; the configuration's hold for the others. EEXIST if it is there;
 *	EDESTADDRREQ if the host has no ADDRESS configured yet; ENOSPC beyond
 *	DPR_MAX_SERVICES; E2BIG beyond DPR_MAX_SERVICE_LOADS. A port counts there as
 *	long as redirected connections of it live that began while it had a load.
 * @DPR_CMD_SERVICE_DEL: do; PORT, optionally ADDRESS. ENOENT if it is not
 *	there. Only new connections are affected.
 * @DPR_CMD_SERVICE_GET: dump; one message of DPR_SERVICE_A_* per service.
 * @DPR_CMD_PEER_SET: do; ADDRESS, optionally the four metrics (all or none),
 *	STATE, WEIGHT. Adds the peer or updates it. With the metrics it is a
 *	report: the kernel notes the time. A peer without a recent report is
 *	known (its marked packets are accepted) but gets no new connections.
 *	EINVAL for an address that is not unicast or is this host's own;
 *	ENOSPC beyond DPR_MAX_PEERS.
 * @DPR_CMD_PEER_DEL: do; ADDRESS, optionally DEAD. ENOENT if unknown. Without
 *	DEAD the peer leaves the load table (no new connections), its flows
 *	continue, and it stays known until it is deleted with DEAD: this is for
 *	a silent peer. With DEAD the peer is forgotten: its flows end, each with
 *	a RST to its client, in the steps of DPR_CMD_EXPIRE.
 * @DPR_CMD_PEER_GET: dump, or do with ADDRESS (ENOENT if unknown). One message
 *	of DPR_PEER_A_* per peer; the dump is sorted by estimated load, peers
 *	that cannot be chosen last.
 * @DPR_CMD_FLOW_GET: dump; optionally CLIENT, CLIENT_PORT, ADDRESS, PORT,
 *	PEER, STATE as a filter (all given must match). One message of
 *	DPR_FLOW_A_* per flow.
 * @DPR_CMD_FLOW_DEL: do; CLIENT, CLIENT_PORT, ADDRESS, PORT. Forgets one flow;
 *	the client's next packet is answered by a RST. ENOENT if there is none.
 * @DPR_CMD_EXPIRE: do; optionally BUDGET. One bounded step of table clean-up:
 *	looks at up to BUDGET flows, from where the last step stopped, removes
 *	the expired ones and those of dead peers, and reports stale peers.
 *	Answers with DPR_EXPIRE_A_*.
 * @DPR_CMD_LOAD_GET: do; no attributes. This host's metrics and load:
 *	DPR_LOAD_A_*.
 * @DPR_CMD_STATS_GET: do; no attributes. One message with one u64 attribute
 *	per counter; the attribute types are enum dpr_stat.
 * @DPR_CMD_EVENT: never sent to the kernel; a notification on the group
 *	"events" with DPR_EVENT_A_*.
 * @DPR_CMD_SERVICE_SET: do; as SERVICE_ADD, of a service that is there: it has these
 *	rules of its own, and no other ones any more. ENOENT if it is not there; E2BIG
 *	as SERVICE_ADD. Existing connections survive every change.
 * @DPR_CMD_PEER_ASK: do; ADDRESS. Asks the peer, through the tunnel, to answer three times,
 *	so that it shows whether the network drops packets with another host's address as
 *	source. Returns at once; within a second PEER_GET has the answers that came, in
 *	ANSWERS. ENOENT if the peer is unknown; EOPNOTSUPP if it has not reported protocol 3
 *	or later (PROTOCOL); EAFNOSUPPORT if its address is of another family than this
 *	host's, EDESTADDRREQ if the host has none; EBUSY if it was asked less than a second
 *	ago; ENOMEM.
 * @DPR_CMD_RULES_SET: do; PORT, optionally ADDRESS and RECORDS. The service has these
 *	rules by what is asked for, and no other ones any more; without RECORDS it has
 *	none. The change is seen as a whole. ENOENT if the service is not there; EINVAL,
 *	with the mistake and the offset of its record, if RECORDS are wrong.
 * @DPR_CMD_RULES_GET: do; PORT, optionally ADDRESS. Answers with RECORDS as they were
 *	set; they are left out if there are none. ENOENT as above.
 * @DPR_CMD_RULES_TEST: do; PORT, optionally ADDRESS; BYTES, optionally FINAL, CLIENT,
 *	CLIENT_PORT: decides as for a connection whose client sent these bytes so far.
 *	Answers with OUTCOME, RULE, GROUP, HASH if there is one, and for a CLIENT with HOST
 *	if the group has one. ENOENT as above.
 * @DPR_CMD_BACKEND_SET: do; NAME, ADDRESS, SERVICES, optionally PORT, WEIGHT, LIMIT, DOWN,
 *	PROXY. Adds the backend of that name, or replaces what was set of it. If ADDRESS,
 *	PORT or PROXY change, its connections stay with the old ones, and are counted anew.
 *	EDESTADDRREQ if the host has no ADDRESS configured yet; EINVAL for an address that
 *	is not unicast, is this host's own or a peer's, and for wrong values; EADDRINUSE if
 *	the ports of splices are also those of this host's own connections
 *	(net.ipv4.ip_local_port_range) and not reserved, for one that is new or whose ADDRESS
 *	or PORT changes; after all these ENOSPC beyond DPR_MAX_BACKENDS.
 *	With NAME and DOWN alone only DOWN changes: ENOENT if there is none of that name.
 * @DPR_CMD_BACKEND_DEL: do; NAME. ENOENT if there is none. Only new connections are
 *	affected.
 * @DPR_CMD_BACKEND_GET: dump; one message of DPR_BACKEND_A_* per backend.
 */
enum dpr_cmd {
	DPR_CMD_UNSPEC,
	DPR_CMD_CONFIG_GET,
	DPR_CMD_CONFIG_SET,
	DPR_CMD_SERVICE_ADD,
	DPR_CMD_SERVICE_DEL,
	DPR_CMD_SERVICE_GET,
	DPR_CMD_PEER_SET,
	DPR_CMD_PEER_DEL,
	DPR_CMD_PEER_GET,
	DPR_CMD_FLOW_GET,
	DPR_CMD_FLOW_DEL,
	DPR_CMD_EXPIRE,
	DPR_CMD_LOAD_GET,
	DPR_CMD_STATS_GET,
	DPR_CMD_EVENT,
	DPR_CMD_SERVICE_SET,
	DPR_CMD_PEER_ASK,
	DPR_CMD_RULES_SET,
	DPR_CMD_RULES_GET,
	DPR_CMD_RULES_TEST,
	DPR_CMD_BACKEND_SET,
	DPR_CMD_BACKEND_DEL,
	DPR_CMD_BACKEND_GET,

	__DPR_CMD_MAX,
	DPR_CMD_MAX = __DPR_CMD_MAX - 1
};

/**
 * enum dpr_policy - how the SYN decision is made
 *
 * @DPR_POLICY_OFF: serve everything; marked packets from peers are accepted and
 *	existing flows continue.
 * @DPR_POLICY_STATELESS: a hash of the packet picks this host or a peer (paper
 *	section 2, "stateless DPR"); no flow is kept while the set of hosts
 *	stays as it was.
 * @DPR_POLICY_LOWEST: the peer of lowest estimated load (paper section 3.1,
 *	deterministic).
 * @DPR_POLICY_INVERSE: a peer with a probability inversely proportional to its
 *	estimated load plus one (paper section 3.1, probabilistic).
 * @DPR_POLICY_TWO: of two peers drawn at random, in proportion to their
 *	weights, the one of lower estimated load (power of two choices).
 * @DPR_POLICY_OFFER: a peer drawn at random, in proportion to its weight, is
 *	offered the connection, and refuses it unless its own load is below
 *	MaxLoad; then another one is offered it. At most two peers may refuse,
 *	and none once the client has retransmitted its SYN. A MaxLoad of 0
 *	means DPR_MAX_LOAD_AUTO here: without one, every peer would refuse.
 *	Only hosts with this policy refuse, and hosts that drain.
 */
enum dpr_policy {
	DPR_POLICY_OFF,
	DPR_POLICY_STATELESS,
	DPR_POLICY_LOWEST,
	DPR_POLICY_INVERSE,
	DPR_POLICY_TWO,
	DPR_POLICY_OFFER,

	__DPR_POLICY_MAX,
	DPR_POLICY_MAX = __DPR_POLICY_MAX - 1
};

/**
 * enum dpr_hash - what the stateless policy hashes
 *
 * @DPR_HASH_ADDRESS_PORT: the client's address and source port.
 * @DPR_HASH_PORT: the client's source port alone (paper section 2).
 */
enum dpr_hash {
	DPR_HASH_ADDRESS_PORT,
	DPR_HASH_PORT,

	__DPR_HASH_MAX,
	DPR_HASH_MAX = __DPR_HASH_MAX - 1
};

/**
 * enum dpr_estimate - how a peer's load is estimated between reports
 *
 * @DPR_ESTIMATE_CORRECTED: the reported load plus what our own flows to the
 *	peer changed since the report came (weighted as a connection).
 * @DPR_ESTIMATE_REPORTED: the reported load, as in the paper.
 */
enum dpr_estimate {
	DPR_ESTIMATE_CORRECTED,
	DPR_ESTIMATE_REPORTED,

	__DPR_ESTIMATE_MAX,
	DPR_ESTIMATE_MAX = __DPR_ESTIMATE_MAX - 1
};

/**
 * enum dpr_marker - how peers recognise a redirected packet (section 3.2)
 *
 * @DPR_MARKER_FRAGBIT: protocol 4 from a known peer with the reserved bit
 *	(0x8000) of the outer header's fragment field set.
 * @DPR_MARKER_SOURCE: protocol 4 from a known peer, whatever that bit is.
 */
enum dpr_marker {
	DPR_MARKER_FRAGBIT,
	DPR_MARKER_SOURCE,

	__DPR_MARKER_MAX,
	DPR_MARKER_MAX = __DPR_MARKER_MAX - 1
};

/**
 * enum dpr_forwarding - how a connection's packets get to the peer that serves it
 *
 * @DPR_FORWARDING_IPIP: in a tunnel (RFC 2003, RFC 2473, RFC 4213).
 * @DPR_FORWARDING_AUTO: direct to peers on the same link, in a tunnel to others. Direct
 *	means that the client's own packet goes to the peer's link-layer address: nothing
 *	is added to it. In a tunnel still go SYNs, which the peer may refuse; ICMP errors;
 *	fragments, and what does not fit the link; packets of another family than the
 *	hosts' own addresses; and packets to an address that the peer has, too, if they
 *	cannot be marked: of IPv6, or with DPR_MARKER_SOURCE. Others bear the mark then
 *	(DPR_MARKER_FRAGBIT) in the client's header.
 * @DPR_FORWARDING_DIRECT: likewise, but peers on other links get no new connections.
 *
 * Peers accept both, whatever their own forwarding is; those of protocol 2 and earlier
 * get all in tunnels.
 */
enum dpr_forwarding {
	DPR_FORWARDING_IPIP,
	DPR_FORWARDING_AUTO,
	DPR_FORWARDING_DIRECT,

	__DPR_FORWARDING_MAX,
	DPR_FORWARDING_MAX = __DPR_FORWARDING_MAX - 1
};

/**
 * enum dpr_answers - how a serving host's answers get to the client
 *
 * @DPR_ANSWERS_DIRECT: straight to the client, with the first host's address as source.
 * @DPR_ANSWERS_THROUGH: in a tunnel to the first host, which sends them on. For networks
 *	that drop packets whose source is not the sending host's own address. Direct are
 *	still answers from an address that this host has, too, and those for a first host
 *	that has not said that it knows protocol 4.
 *
 * It is the serving host's choice. First hosts of protocol 4 accept both, whatever their
 * own is.
 */
enum dpr_answers {
	DPR_ANSWERS_DIRECT,
	DPR_ANSWERS_THROUGH,

	__DPR_ANSWERS_MAX,
	DPR_ANSWERS_MAX = __DPR_ANSWERS_MAX - 1
};

/**
 * enum dpr_orphans - what becomes of an orphan: a segment of a service's
 *	connection that has neither a flow nor a socket here, and is no SYN
 *
 * @DPR_ORPHANS_RESET: the stack answers with a RST.
 * @DPR_ORPHANS_ASK: the peers are asked. The one that has the connection's
 *	socket claims it, and it gets a flow: it was redirected by a host whose
 *	address moved here since, or before this module was loaded. If nobody
 *	claims it in three tries, one for each copy of the segment and at least
 *	100 ms apart, the stack answers.
 */
enum dpr_orphans {
	DPR_ORPHANS_RESET,
	DPR_ORPHANS_ASK,

	__DPR_ORPHANS_MAX,
	DPR_ORPHANS_MAX = __DPR_ORPHANS_MAX - 1
};

/**
 * enum dpr_state - a host's state in the cluster
 *
 * @DPR_STATE_ACTIVE: it takes new connections.
 * @DPR_STATE_DRAINING: no new connections; existing ones continue. If this host
 *	drains, it redirects new connections while a peer is usable.
 * @DPR_STATE_LEAVING: draining, and about to leave the cluster.
 */
enum dpr_state {
	DPR_STATE_ACTIVE,
	DPR_STATE_DRAINING,
	DPR_STATE_LEAVING,

	__DPR_STATE_MAX,
	DPR_STATE_MAX = __DPR_STATE_MAX - 1
};

/**
 * enum dpr_barred - why a peer gets no new connections though its reports come
 *
 * @DPR_BARRED_NO: it may get some.
 * @DPR_BARRED_UNHEARD: it does not hear this host's reports, so it drops what this
 *	host redirects.
 * @DPR_BARRED_SETTINGS: it has other settings that must be equal on all hosts.
 * @DPR_BARRED_LOST: packets that are redirected to it do not arrive. The kernel finds
 *	that out itself; not in requests.
 * @DPR_BARRED_FAMILY: its address is an IPv6 one and this host's is not, or the other way
 *	round, so that there is no tunnel. Likewise.
 */
enum dpr_barred {
	DPR_BARRED_NO,
	DPR_BARRED_UNHEARD,
	DPR_BARRED_SETTINGS,
	DPR_BARRED_LOST,
	DPR_BARRED_FAMILY,

	__DPR_BARRED_MAX,
	DPR_BARRED_MAX = __DPR_BARRED_MAX - 1
};

/**
 * enum dpr_service_state - can a host take a new connection of a service
 *
 * @DPR_SERVICE_UP: yes.
 * @DPR_SERVICE_NO_LISTENER: nothing listens on its port.
 * @DPR_SERVICE_FULL: the listener's accept queue is full.
 */
enum dpr_service_state {
	DPR_SERVICE_UP,
	DPR_SERVICE_NO_LISTENER,
	DPR_SERVICE_FULL,

	__DPR_SERVICE_MAX,
	DPR_SERVICE_MAX = __DPR_SERVICE_MAX - 1
};

/**
 * enum dpr_service_load - which load of the hosts a service's policy compares
 *
 * @DPR_SERVICE_LOAD_HOST: the host's load, the weighted sum of its metrics.
 * @DPR_SERVICE_LOAD_SERVICE: the host's open connections of the service, those of all
 *	services on its port. A peer that has not said how many it has
 *	(DPR_PEER_A_SERVICE_CONNECTIONS) gets no connection while another peer can take
 *	it, or this host; offers alone go to such peers too, as they do not depend on
 *	what this host knows. While this host does not count its own connections (it has
 *	no memory, or is counting them anew after services changed), or drains and knows
 *	of no peer how many it has, as DPR_SERVICE_LOAD_HOST.
 */
enum dpr_service_load {
	DPR_SERVICE_LOAD_HOST,
	DPR_SERVICE_LOAD_SERVICE,

	__DPR_SERVICE_LOAD_MAX,
	DPR_SERVICE_LOAD_MAX = __DPR_SERVICE_LOAD_MAX - 1
};

/**
 * enum dpr_dispatch - when it is decided which host serves a connection of a service
 *
 * @DPR_DISPATCH_SYN: when its SYN comes.
 * @DPR_DISPATCH_CONNECTION: when its first data have come. The first host answers the SYN
 *	itself, keeps what the client sends, and then hands the connection over to the host
 *	that is to serve it. It is decided without data when the client has sent its FIN, or
 *	nothing for a second. As DPR_DISPATCH_SYN while this host has no keys
 *	(DPR_CONFIG_A_HANDOVER_KEYS) or knows of no peer. The policy stateless is lowest here.
 * @DPR_DISPATCH_REQUEST: likewise, and anew when an HTTP/1.1 request comes on a connection
 *	whose earlier ones have been answered: if the service's rules choose other hosts than
 *	the one that serves the connection, or that one drains or has no server any more, the
 *	connection moves. What cannot move stays (DPR_STAT_MIGRATE_STAYED_BODY and others).
 */
enum dpr_dispatch {
	DPR_DISPATCH_SYN,
	DPR_DISPATCH_CONNECTION,
	DPR_DISPATCH_REQUEST,

	__DPR_DISPATCH_MAX,
	DPR_DISPATCH_MAX = __DPR_DISPATCH_MAX - 1
};

/**
 * enum dpr_flow_state - a flow's state, from the client's half of it
 *
 * @DPR_FLOW_SYN: only SYNs so far.
 * @DPR_FLOW_ESTABLISHED: the client has sent an ACK.
 * @DPR_FLOW_FIN: a FIN came from the client; it may still receive.
 * @DPR_FLOW_RST: a RST came from the client, and nothing since.
 * @DPR_FLOW_ENDED: the serving host reported its socket in TIME_WAIT. Kept
 *	for the RST timeout, for what the client may send again.
 *
 * FIN and RST may be forged, so they end nothing: when the client has been silent
 * for that state's timeout, the serving host is asked whether it still has the
 * socket.
 */
enum dpr_flow_state {
	DPR_FLOW_SYN,
	DPR_FLOW_ESTABLISHED,
	DPR_FLOW_FIN,
	DPR_FLOW_RST,
	DPR_FLOW_ENDED,

	__DPR_FLOW_MAX,
	DPR_FLOW_MAX = __DPR_FLOW_MAX - 1
};

/**
 * enum dpr_config_attr - attributes of DPR_CMD_CONFIG_GET and _SET
 *
 * @DPR_CONFIG_A_ADDRESS: addr; this host's address, and source of its tunnels, which
 *	carry connections of both families.
 * @DPR_CONFIG_A_POLICY: u32, enum dpr_policy; default off.
 * @DPR_CONFIG_A_HASH: u32, enum dpr_hash; default address and port.
 * @DPR_CONFIG_A_ESTIMATE: u32, enum dpr_estimate; default corrected.
 * @DPR_CONFIG_A_MARKER: u32, enum dpr_marker; default fragbit.
 * @DPR_CONFIG_A_STATE: u32, enum dpr_state; default active.
 * @DPR_CONFIG_A_MAX_LOAD: u64; below this load the host serves; default 0.
 *	DPR_MAX_LOAD_AUTO: half a connection less than the mean of all hosts,
 *	by the estimates; a host without load serves always.
 * @DPR_CONFIG_A_WEIGHT_CONNECTIONS: u32, 0 to DPR_MAX_WEIGHT; default 1. The
 *	load is the sum of each metric times its weight; at least one weight
 *	must be above 0.
 * @DPR_CONFIG_A_WEIGHT_CPU: u32, as above; default 0.
 * @DPR_CONFIG_A_WEIGHT_REDIRECTED: u32, as above; default 0.
 * @DPR_CONFIG_A_WEIGHT_SOCKETS: u32, as above; default 0.
 * @DPR_CONFIG_A_WEIGHT: u32, 1 to DPR_MAX_WEIGHT; this host's relative capacity,
 *	as DPR_PEER_A_WEIGHT is a peer's; default 1.
 * @DPR_CONFIG_A_MAX_FLOWS: u32, 1 to DPR_MAX_FLOWS; default 1048576. Beyond it
 *	the oldest half-open flow is evicted, if its client has been silent
 *	for 3 s; if there is none, this host serves the connection.
 * @DPR_CONFIG_A_REPORT_MAX_AGE: u32 ms, 1 to DPR_MAX_TIMEOUT; default 3000. A
 *	peer whose report is older gets no new connections.
 * @DPR_CONFIG_A_TIMEOUT_SYN: u32 ms, 1 to DPR_MAX_TIMEOUT; default 60000.
 * @DPR_CONFIG_A_TIMEOUT_ESTABLISHED: likewise; default 7440000 (RFC 5382).
 * @DPR_CONFIG_A_TIMEOUT_FIN: likewise; default 120000.
 * @DPR_CONFIG_A_TIMEOUT_RST: likewise; default 10000.
 * @DPR_CONFIG_A_ORPHANS: u32, enum dpr_orphans; default reset.
 * @DPR_CONFIG_A_SLOW_START: u32 ms, 0 to DPR_MAX_TIMEOUT; default 0. A peer that
 *	becomes usable gets a tenth of its share at first, and all of it after this
 *	time; but for peers that become usable within that time after this host's
 *	first service was added. The policy stateless does not know of it.
 * @DPR_CONFIG_A_AFFINITY: u32, 0 to 32; default 0: none. So many bits of a client's
 *	address decide which host serves it, whichever it reaches, in proportion to the
 *	hosts' weights; loads do not. When a host comes or goes, no more clients change
 *	theirs than it takes or leaves. The hosts must have the same byte order, and know
 *	the same hosts by the same addresses. Under the policy off it has no effect.
 * @DPR_CONFIG_A_AFFINITY_TIME: u32 ms, 0 to DPR_MAX_TIMEOUT; default 0: for ever. For
 *	so long a client keeps its host; then it may get another. By the hosts' clocks.
 * @DPR_CONFIG_A_AFFINITY6: u32, 1 to 128; default 64. What AFFINITY is for IPv4, for
 *	clients with IPv6 addresses; but whether there is affinity at all, AFFINITY says.
 * @DPR_CONFIG_A_FORWARDING: u32, enum dpr_forwarding; default ipip. Connections that are
 *	redirected already keep theirs, but for those without a flow.
 * @DPR_CONFIG_A_ANSWERS: u32, enum dpr_answers; default direct. Holds at once, for all
 *	connections.
 * @DPR_CONFIG_A_GROUP: 4 bytes: the IPv4 multicast group that the hosts of this host's link
 *	have joined, if they have one: a question who has a connection goes there first. 0, the
 *	default: each peer is asked.
 * @DPR_CONFIG_A_HANDOVER_KEYS: the keys of handovers, at most DPR_MAX_HANDOVER_KEYS: of each
 *	its id, u32 in network byte order and not 0, then DPR_HANDOVER_KEY_LEN bytes. The
 *	first one authenticates what this host sends, each what comes. None, the default:
 *	nothing is handed over, and no handover accepted. Request: what it sets is not
 *	answered.
 * @DPR_CONFIG_A_HANDOVER_KEY_IDS: the ids of these keys, as there. Answer.
 * @DPR_CONFIG_A_SPLICE_FIRST_PORT: u32, 1024 to 65535; default 61000. From this port of its
 *	own address to SPLICE_LAST_PORT the host sends what goes to backends.
 * @DPR_CONFIG_A_SPLICE_LAST_PORT: u32, likewise; default 65535. Not below
 *	SPLICE_FIRST_PORT. EADDRINUSE as DPR_CMD_BACKEND_SET, while there are backends.
 *	Connections that have begun keep their port, but what comes to a port that is no
 *	longer among these is the stack's.
 * @DPR_CONFIG_A_MAX_SPLICES: u32, 1 to DPR_MAX_SPLICES; default 65536. So many connections
 *	to backends can be, those included that have just ended.
 */
enum dpr_config_attr {
	DPR_CONFIG_A_UNSPEC,
	DPR_CONFIG_A_ADDRESS,
	DPR_CONFIG_A_POLICY,
	DPR_CONFIG_A_HASH,
	DPR_CONFIG_A_ESTIMATE,
	DPR_CONFIG_A_MARKER,
	DPR_CONFIG_A_STATE,
	DPR_CONFIG_A_MAX_LOAD,
	DPR_CONFIG_A_WEIGHT_CONNECTIONS,
	DPR_CONFIG_A_WEIGHT_CPU,
	DPR_CONFIG_A_WEIGHT_REDIRECTED,
	DPR_CONFIG_A_WEIGHT_SOCKETS,
	DPR_CONFIG_A_MAX_FLOWS,
	DPR_CONFIG_A_REPORT_MAX_AGE,
	DPR_CONFIG_A_TIMEOUT_SYN,
	DPR_CONFIG_A_TIMEOUT_ESTABLISHED,
	DPR_CONFIG_A_TIMEOUT_FIN,
	DPR_CONFIG_A_TIMEOUT_RST,
	DPR_CONFIG_A_WEIGHT,
	DPR_CONFIG_A_ORPHANS,
	DPR_CONFIG_A_PAD,
	DPR_CONFIG_A_SLOW_START,
	DPR_CONFIG_A_AFFINITY,
	DPR_CONFIG_A_AFFINITY_TIME,
	DPR_CONFIG_A_AFFINITY6,
	DPR_CONFIG_A_FORWARDING,
	DPR_CONFIG_A_ANSWERS,
	DPR_CONFIG_A_GROUP,
	DPR_CONFIG_A_HANDOVER_KEYS,
	DPR_CONFIG_A_HANDOVER_KEY_IDS,
	DPR_CONFIG_A_SPLICE_FIRST_PORT,
	DPR_CONFIG_A_SPLICE_LAST_PORT,
	DPR_CONFIG_A_MAX_SPLICES,

	__DPR_CONFIG_A_MAX,
	DPR_CONFIG_A_MAX = __DPR_CONFIG_A_MAX - 1
};

/**
 * enum dpr_service_attr - attributes of a service
 *
 * @DPR_SERVICE_A_PORT: u16, 1 to 65535; TCP port.
 * @DPR_SERVICE_A_ADDRESS: addr; the one local address it is on, 0.0.0.0 (the
 *	default) for all, of both families.
 * @DPR_SERVICE_A_STATE: u32, enum dpr_service_state, now. Answer.
 * @DPR_SERVICE_A_CONNECTIONS: u32; its open connections that this host serves, as in
 *	DPR_PEER_A_CONNECTIONS. Answer; left out while there is no memory to count them.
 * @DPR_SERVICE_A_POLICY: u32, enum dpr_policy; its own. In answers, as what follows,
 *	left out if the configuration's holds.
 * @DPR_SERVICE_A_HASH: u32, enum dpr_hash; its own.
 * @DPR_SERVICE_A_MAX_LOAD: u64; its own MaxLoad, as DPR_CONFIG_A_MAX_LOAD.
 * @DPR_SERVICE_A_PAD: no value; aligns.
 * @DPR_SERVICE_A_AFFINITY: u32; its own, as DPR_CONFIG_A_AFFINITY.
 * @DPR_SERVICE_A_AFFINITY_TIME: u32; its own, as DPR_CONFIG_A_AFFINITY_TIME.
 * @DPR_SERVICE_A_AFFINITY6: u32; its own, as DPR_CONFIG_A_AFFINITY6.
 * @DPR_SERVICE_A_LOAD: u32, enum dpr_service_load; default host. With the load of the
 *	service, MAX_LOAD is compared to that, too. Affinity and the policy stateless do
 *	not compare loads.
 * @DPR_SERVICE_A_FORWARDING: u32; its own, as DPR_CONFIG_A_FORWARDING.
 * @DPR_SERVICE_A_DISPATCH: u8, enum dpr_dispatch; default syn.
 */
enum dpr_service_attr {
	DPR_SERVICE_A_UNSPEC,
	DPR_SERVICE_A_PORT,
	DPR_SERVICE_A_ADDRESS,
	DPR_SERVICE_A_STATE,
	DPR_SERVICE_A_CONNECTIONS,
	DPR_SERVICE_A_POLICY,
	DPR_SERVICE_A_HASH,
	DPR_SERVICE_A_MAX_LOAD,
	DPR_SERVICE_A_PAD,
	DPR_SERVICE_A_AFFINITY,
	DPR_SERVICE_A_AFFINITY_TIME,
	DPR_SERVICE_A_AFFINITY6,
	DPR_SERVICE_A_LOAD,
	DPR_SERVICE_A_FORWARDING,
	DPR_SERVICE_A_DISPATCH,

	__DPR_SERVICE_A_MAX,
	DPR_SERVICE_A_MAX = __DPR_SERVICE_A_MAX - 1
};

/**
 * enum dpr_peer_attr - attributes of a peer
 *
 * In requests: ADDRESS, CONNECTIONS to SOCKETS, STATE, WEIGHT, DEAD, DOWN,
 * BARRED, PROTOCOL, ADDRESSES, ADDRESSES6, SERVICE_CONNECTIONS. The rest are answers.
 *
 * @DPR_PEER_A_ADDRESS: addr.
 * @DPR_PEER_A_CONNECTIONS: u32; metric 1 (paper section 3.1), open connections that
 *	it serves: of its services, until all data is out (ESTABLISHED, CLOSE-WAIT,
 *	FIN-WAIT-1, CLOSING, LAST-ACK). Hosts of version 0.2 and earlier report all their
 *	TCP connections in ESTABLISHED or CLOSE-WAIT.
 * @DPR_PEER_A_CPU: u32, 0 to DPR_MAX_CPU; metric 2, CPU utilisation in
 *	thousandths over all CPUs.
 * @DPR_PEER_A_REDIRECTED: u32; metric 3, connections that it redirects now.
 * @DPR_PEER_A_SOCKETS: u32; metric 4, sockets in use.
 * @DPR_PEER_A_STATE: u32, enum dpr_state; default active.
 * @DPR_PEER_A_WEIGHT: u32, 1 to DPR_MAX_WEIGHT; relative capacity; default 1.
 *	Policies compare load divided by weight.
 * @DPR_PEER_A_DEAD: flag; see DPR_CMD_PEER_DEL.
 * @DPR_PEER_A_LOAD: u64; reported load, by this host's weights.
 * @DPR_PEER_A_ESTIMATE: u64; load a policy would take now.
 * @DPR_PEER_A_AGE: u32 ms since the last report, whether the peer is listed or
 *	not; absent, like the metrics and the loads, if there was none.
 * @DPR_PEER_A_USABLE: flag; it can be chosen now.
 * @DPR_PEER_A_LISTED: flag; it is in the load table.
 * @DPR_PEER_A_FLOWS: u32; flows to it (all states).
 * @DPR_PEER_A_LIVE: u32; flows to it in state SYN or established.
 * @DPR_PEER_A_REDIRECTS: u64; connections redirected to it since it became
 *	known, those that it refused included.
 * @DPR_PEER_A_DOWN: array of u16, host byte order: the ports of services that it
 *	cannot serve now. In a request it is part of a report (the metrics), and
 *	may have any ports, DPR_MAX_SERVICES at most; a report without it says that
 *	the peer serves all. In an answer those are included that it has refused
 *	since.
 * @DPR_PEER_A_BARRED: u32, enum dpr_barred. In a request it is part of a report,
 *	and a report without it means no.
 * @DPR_PEER_A_ADDRESSES: array of be32, 16 at most: the peer's other addresses. Part
 *	of a report. Request.
 * @DPR_PEER_A_PROTOCOL: u32, 1 to 255; the protocol between hosts that it knows. 1: that
 *	of reports of version 1; 2: of version 2; 3: it knows connections of IPv6, and gets
 *	those if one of its addresses is an IPv6 one; 4: it sends answers on to clients
 *	(DPR_ANSWERS_THROUGH). Part of a report, default 1. Request.
 * @DPR_PEER_A_ADDRESSES6: array of IPv6 addresses of 16 bytes, 16 at most: the peer's
 *	other ones. Part of a report. Request.
 * @DPR_PEER_A_SERVICE_CONNECTIONS: array of two u32 each: a port, 1 to 65535, and how many
 *	open connections of the services on it the peer has. By port, each port once, any
 *	ports, DPR_MAX_SERVICES at most. Part of a report; of a port that is not named the
 *	number is unknown. Request.
 * @DPR_PEER_A_SERVICE_LOADS: array of three u32 each, DPR_MAX_SERVICE_LOADS at most: the
 *	port of a service with DPR_SERVICE_LOAD_SERVICE; the connections that a policy
 *	would take the peer to have of it now, 0xffffffff if that is unknown; and the
 *	flows to the peer in state SYN or established that began since the port has a
 *	load of its own. Answer, if the peer is listed.
 * @DPR_PEER_A_FORWARDING: u32, DPR_FORWARDING_IPIP or _DIRECT: how packets of services
 *	with DPR_FORWARDING_AUTO go to it now; IPIP, too, while there has been none and no
 *	peer has sent direct. Answer, if the peer is listed.
 * @DPR_PEER_A_ANSWERS: u32, bits of DPR_ANSWER_*: which answers to the last DPR_CMD_PEER_ASK
 *	came within a second. Answer, once the peer was asked.
 */
enum dpr_peer_attr {
	DPR_PEER_A_UNSPEC,
	DPR_PEER_A_ADDRESS,
	DPR_PEER_A_CONNECTIONS,
	DPR_PEER_A_CPU,
	DPR_PEER_A_REDIRECTED,
	DPR_PEER_A_SOCKETS,
	DPR_PEER_A_STATE,
	DPR_PEER_A_WEIGHT,
	DPR_PEER_A_DEAD,
	DPR_PEER_A_LOAD,
	DPR_PEER_A_ESTIMATE,
	DPR_PEER_A_AGE,
	DPR_PEER_A_USABLE,
	DPR_PEER_A_LISTED,
	DPR_PEER_A_FLOWS,
	DPR_PEER_A_LIVE,
	DPR_PEER_A_REDIRECTS,
	DPR_PEER_A_PAD,
	DPR_PEER_A_DOWN,
	DPR_PEER_A_BARRED,
	DPR_PEER_A_PROTOCOL,
	DPR_PEER_A_ADDRESSES,
	DPR_PEER_A_ADDRESSES6,
	DPR_PEER_A_SERVICE_CONNECTIONS,
	DPR_PEER_A_SERVICE_LOADS,
	DPR_PEER_A_FORWARDING,
	DPR_PEER_A_ANSWERS,

	__DPR_PEER_A_MAX,
	DPR_PEER_A_MAX = __DPR_PEER_A_MAX - 1
};

/**
 * enum dpr_backend_attr - attributes of a backend: a server that runs nothing of ours
 *
 * @DPR_BACKEND_A_NAME: string of 1 to DPR_MAX_BACKEND_NAME letters, digits, "-", "_" or ".".
 * @DPR_BACKEND_A_ADDRESS: addr. Clients of its family get it, others do not.
 * @DPR_BACKEND_A_PORT: u16; its TCP port. Default 0: the service's.
 * @DPR_BACKEND_A_WEIGHT: u32, 1 to DPR_MAX_WEIGHT; relative capacity; default 1.
 * @DPR_BACKEND_A_LIMIT: u32; it gets no new connection while it has so many of this host's,
 *	those not counted whose handshake is not over. Default 0: no limit.
 * @DPR_BACKEND_A_DOWN: u8, 0 or 1; 1: it gets no new connection. Its connections continue.
 *	Default: as it is; 0 for a new one.
 * @DPR_BACKEND_A_SERVICES: array of u16, host byte order: the ports of the services that it
 *	serves, 1 to DPR_MAX_BACKEND_SERVICES, each once.
 * @DPR_BACKEND_A_CONNECTIONS: u32; connections of this host to it that are not over. Answer.
 * @DPR_BACKEND_A_SPLICED: u64; connections that it has got since it was added. Answer.
 * @DPR_BACKEND_A_PAD: no value; aligns.
 * @DPR_BACKEND_A_PROXY: u8; DPR_BACKEND_PROXY: before a client's first byte it gets a header of
 *	that version of the PROXY protocol. Default 0: none. A change concerns new connections.
 */
enum dpr_backend_attr {
	DPR_BACKEND_A_UNSPEC,
	DPR_BACKEND_A_NAME,
	DPR_BACKEND_A_ADDRESS,
	DPR_BACKEND_A_PORT,
	DPR_BACKEND_A_WEIGHT,
	DPR_BACKEND_A_LIMIT,
	DPR_BACKEND_A_DOWN,
	DPR_BACKEND_A_SERVICES,
	DPR_BACKEND_A_CONNECTIONS,
	DPR_BACKEND_A_SPLICED,
	DPR_BACKEND_A_PAD,
	DPR_BACKEND_A_PROXY,

	__DPR_BACKEND_A_MAX,
	DPR_BACKEND_A_MAX = __DPR_BACKEND_A_MAX - 1
};

/**
 * enum dpr_flow_attr - attributes of a flow
 *
 * @DPR_FLOW_A_CLIENT: addr; the client's address.
 * @DPR_FLOW_A_CLIENT_PORT: u16; the client's port.
 * @DPR_FLOW_A_ADDRESS: addr; this host's address that the client talks to.
 * @DPR_FLOW_A_PORT: u16; the service's port.
 * @DPR_FLOW_A_PEER: addr; the host that serves it.
 * @DPR_FLOW_A_STATE: u32, enum dpr_flow_state.
 * @DPR_FLOW_A_IDLE: u32 ms since the client's last packet.
 * @DPR_FLOW_A_EXPIRES: u32 ms until it expires if the client stays silent.
 */
enum dpr_flow_attr {
	DPR_FLOW_A_UNSPEC,
	DPR_FLOW_A_CLIENT,
	DPR_FLOW_A_CLIENT_PORT,
	DPR_FLOW_A_ADDRESS,
	DPR_FLOW_A_PORT,
	DPR_FLOW_A_PEER,
	DPR_FLOW_A_STATE,
	DPR_FLOW_A_IDLE,
	DPR_FLOW_A_EXPIRES,

	__DPR_FLOW_A_MAX,
	DPR_FLOW_A_MAX = __DPR_FLOW_A_MAX - 1
};

/**
 * enum dpr_rules_record - the records of a service's rules by what is asked for
 *
 * A record is a byte with its type, a byte with the length of its value, and the value.
 * First come the groups, each followed by its hosts; then the rules, each followed by
 * its conditions; then the group of what no rule matches. The first rule whose
 * conditions all hold decides. A rule has at least one condition, and at most one of
 * each kind; HOST and HOST_SUFFIX are one kind, and so are SNI and SNI_SUFFIX.
 *
 * @DPR_RULES_GROUP: enum dpr_rules_policy (u8); enum dpr_rules_locality (u8); spill (u16,
 *	host byte order, 0 to DPR_MAX_RULES_SPILL: locality passes by a host whose load is
 *	so many percent above the mean of the group); and the name, 1 to
 *	DPR_MAX_RULES_NAME letters, digits, "-", "_" or ".". Groups are counted from 0.
 * @DPR_RULES_MEMBER: a host's address, 4 or 16 bytes. A group without one has all hosts.
 * @DPR_RULES_RULE: the group (u8). Rules are counted from 0.
 * @DPR_RULES_HOST: the host that a request is for, in small letters, without port and
 *	trailing dot; an IPv6 literal in brackets. The case of letters does not matter.
 * @DPR_RULES_HOST_SUFFIX: "." and a name: all hosts below that name.
 * @DPR_RULES_PATH: "/" and more: the path of the target, byte by byte as it was sent. It
 *	is that path or begins with it, and there a part of the path ends.
 * @DPR_RULES_METHOD: the method.
 * @DPR_RULES_COOKIE: a name, "=", and a value: the first cookie of that name has it.
 * @DPR_RULES_SNI: as HOST, the server's name in a ClientHello.
 * @DPR_RULES_SNI_SUFFIX: as HOST_SUFFIX.
 * @DPR_RULES_ALPN: a protocol that a ClientHello offers.
 * @DPR_RULES_DEFAULT: the group (u8) of what no rule matches, or what is not understood.
 *	Without it these connections go where the service's policy says.
 */
enum dpr_rules_record {
	DPR_RULES_UNSPEC,
	DPR_RULES_GROUP,
	DPR_RULES_MEMBER,
	DPR_RULES_RULE,
	DPR_RULES_HOST,
	DPR_RULES_HOST_SUFFIX,
	DPR_RULES_PATH,
	DPR_RULES_METHOD,
	DPR_RULES_COOKIE,
	DPR_RULES_SNI,
	DPR_RULES_SNI_SUFFIX,
	DPR_RULES_ALPN,
	DPR_RULES_DEFAULT,

	__DPR_RULES_MAX,
	DPR_RULES_MAX = __DPR_RULES_MAX - 1
};

/**
 * enum dpr_rules_policy - which host of a group gets a connection
 *
 * @DPR_RULES_POLICY_LOWEST: this host if its load is below MaxLoad, else the one of
 *	lowest estimated load.
 * @DPR_RULES_POLICY_OFFER: this host if its load is below MaxLoad, else one drawn at
 *	random, in proportion to its weight.
 * @DPR_RULES_POLICY_STATELESS: a hash of the client's address and port picks it, in
 *	proportion to weights.
 * @DPR_RULES_POLICY_LOCALITY: a hash of what is asked for picks it, so that each host
 *	keeps its part of all files in memory; one whose load is too far above the mean is
 *	passed by. Requests that name no host and no path are placed as with LOWEST.
 */
enum dpr_rules_policy {
	DPR_RULES_POLICY_LOWEST,
	DPR_RULES_POLICY_OFFER,
	DPR_RULES_POLICY_STATELESS,
	DPR_RULES_POLICY_LOCALITY,

	__DPR_RULES_POLICY_MAX,
	DPR_RULES_POLICY_MAX = __DPR_RULES_POLICY_MAX - 1
};

/**
 * enum dpr_rules_locality - what of a request DPR_RULES_POLICY_LOCALITY hashes
 *
 * @DPR_RULES_LOCALITY_HOST: its host, or the server's name in a ClientHello.
 * @DPR_RULES_LOCALITY_URL: that and its path, without the query.
 */
enum dpr_rules_locality {
	DPR_RULES_LOCALITY_HOST,
	DPR_RULES_LOCALITY_URL,

	__DPR_RULES_LOCALITY_MAX,
	DPR_RULES_LOCALITY_MAX = __DPR_RULES_LOCALITY_MAX - 1
};

/**
 * enum dpr_rules_outcome - what a service's rules say of a connection
 *
 * @DPR_RULES_MORE: more bytes are needed.
 * @DPR_RULES_MATCH: a rule matches.
 * @DPR_RULES_NO_MATCH: no rule does.
 * @DPR_RULES_BAD: what the client sent is not understood.
 * @DPR_RULES_LATE: it was not enough, and no more will be looked at.
 */
enum dpr_rules_outcome {
	DPR_RULES_MORE,
	DPR_RULES_MATCH,
	DPR_RULES_NO_MATCH,
	DPR_RULES_BAD,
	DPR_RULES_LATE,

	__DPR_RULES_OUTCOME_MAX,
	DPR_RULES_OUTCOME_MAX = __DPR_RULES_OUTCOME_MAX - 1
};

/**
 * enum dpr_rules_attr - attributes of DPR_CMD_RULES_SET, _GET and _TEST
 *
 * @DPR_RULES_A_PORT: u16; the service's, as DPR_SERVICE_A_PORT.
 * @DPR_RULES_A_ADDRESS: addr; the service's, as DPR_SERVICE_A_ADDRESS.
 * @DPR_RULES_A_RECORDS: binary, up to DPR_MAX_RULES_BYTES; enum dpr_rules_record.
 * @DPR_RULES_A_BYTES: binary, up to 16384 bytes.
 * @DPR_RULES_A_FINAL: flag; no more bytes are waited for.
 * @DPR_RULES_A_CLIENT: addr; the client's.
 * @DPR_RULES_A_CLIENT_PORT: u16; the client's, default 0.
 * @DPR_RULES_A_OUTCOME: u32, enum dpr_rules_outcome. Answer.
 * @DPR_RULES_A_RULE: u32; the rule that matches, or DPR_RULES_NONE. Answer.
 * @DPR_RULES_A_GROUP: u32; the group, or DPR_RULES_NONE. Answer.
 * @DPR_RULES_A_HASH: u64; what DPR_RULES_POLICY_LOCALITY goes by. Answer.
 * @DPR_RULES_A_HOST: addr; the host of the group that would get the connection now. Left
 *	out if the service's policy decides. Answer.
 * @DPR_RULES_A_PAD: no value; aligns.
 */
enum dpr_rules_attr {
	DPR_RULES_A_UNSPEC,
	DPR_RULES_A_PORT,
	DPR_RULES_A_ADDRESS,
	DPR_RULES_A_RECORDS,
	DPR_RULES_A_BYTES,
	DPR_RULES_A_FINAL,
	DPR_RULES_A_CLIENT,
	DPR_RULES_A_CLIENT_PORT,
	DPR_RULES_A_OUTCOME,
	DPR_RULES_A_RULE,
	DPR_RULES_A_GROUP,
	DPR_RULES_A_HASH,
	DPR_RULES_A_HOST,
	DPR_RULES_A_PAD,

	__DPR_RULES_A_MAX,
	DPR_RULES_A_MAX = __DPR_RULES_A_MAX - 1
};

/**
 * enum dpr_expire_attr - attributes of DPR_CMD_EXPIRE
 *
 * @DPR_EXPIRE_A_BUDGET: u32, 1 to DPR_MAX_EXPIRE_BUDGET; default 4096. Request.
 * @DPR_EXPIRE_A_SCANNED: u32; flows looked at. Answer.
 * @DPR_EXPIRE_A_EXPIRED: u32; flows removed because they expired. Answer.
 * @DPR_EXPIRE_A_RESET: u32; flows of dead peers removed, RST sent. Answer.
 * @DPR_EXPIRE_A_FLOWS: u32; flows left. Answer.
 * @DPR_EXPIRE_A_DONE: flag; this step reached the end of the table, the next
 *	one starts again. Answer.
 */
enum dpr_expire_attr {
	DPR_EXPIRE_A_UNSPEC,
	DPR_EXPIRE_A_BUDGET,
	DPR_EXPIRE_A_SCANNED,
	DPR_EXPIRE_A_EXPIRED,
	DPR_EXPIRE_A_RESET,
	DPR_EXPIRE_A_FLOWS,
	DPR_EXPIRE_A_DONE,

	__DPR_EXPIRE_A_MAX,
	DPR_EXPIRE_A_MAX = __DPR_EXPIRE_A_MAX - 1
};

/**
 * enum dpr_load_attr - attributes of DPR_CMD_LOAD_GET (all answers)
 *
 * @DPR_LOAD_A_CONNECTIONS: u32; metric 1, as in enum dpr_peer_attr.
 * @DPR_LOAD_A_CPU: u32 thousandths; metric 2, over the last second.
 * @DPR_LOAD_A_REDIRECTED: u32; metric 3.
 * @DPR_LOAD_A_SOCKETS: u32; metric 4.
 * @DPR_LOAD_A_LOAD: u64; the weighted sum.
 */
enum dpr_load_attr {
	DPR_LOAD_A_UNSPEC,
	DPR_LOAD_A_CONNECTIONS,
	DPR_LOAD_A_CPU,
	DPR_LOAD_A_REDIRECTED,
	DPR_LOAD_A_SOCKETS,
	DPR_LOAD_A_LOAD,
	DPR_LOAD_A_PAD,

	__DPR_LOAD_A_MAX,
	DPR_LOAD_A_MAX = __DPR_LOAD_A_MAX - 1
};

/**
 * enum dpr_event - what a DPR_CMD_EVENT message reports
 *
 * @DPR_EVENT_PEER_ADDED: a peer became known, or came back to the load table.
 * @DPR_EVENT_PEER_STALE: a listed peer's report is too old (sent by
 *	DPR_CMD_EXPIRE, once per silence).
 * @DPR_EVENT_PEER_GONE: a peer left the load table.
 * @DPR_EVENT_PEER_DEAD: a peer was declared dead.
 * @DPR_EVENT_PEER_STATE: a peer's state changed.
 * @DPR_EVENT_TABLE_FULL: a connection was served here because the routing
 *	table was full (at most one event a second).
 * @DPR_EVENT_CONFIG: the configuration or a service changed.
 * @DPR_EVENT_PEER_LOST: packets that are redirected to a peer do not arrive.
 * @DPR_EVENT_PEER_FOUND: they do again.
 */
enum dpr_event {
	DPR_EVENT_UNSPEC,
	DPR_EVENT_PEER_ADDED,
	DPR_EVENT_PEER_STALE,
	DPR_EVENT_PEER_GONE,
	DPR_EVENT_PEER_DEAD,
	DPR_EVENT_PEER_STATE,
	DPR_EVENT_TABLE_FULL,
	DPR_EVENT_CONFIG,
	DPR_EVENT_PEER_LOST,
	DPR_EVENT_PEER_FOUND,

	__DPR_EVENT_MAX,
	DPR_EVENT_MAX = __DPR_EVENT_MAX - 1
};

/**
 * enum dpr_event_attr - attributes of DPR_CMD_EVENT
 *
 * @DPR_EVENT_A_EVENT: u32, enum dpr_event.
 * @DPR_EVENT_A_PEER: addr; the peer's address, in events about a peer.
 * @DPR_EVENT_A_STATE: u32, enum dpr_state; in PEER_STATE.
 */
enum dpr_event_attr {
	DPR_EVENT_A_UNSPEC,
	DPR_EVENT_A_EVENT,
	DPR_EVENT_A_PEER,
	DPR_EVENT_A_STATE,

	__DPR_EVENT_A_MAX,
	DPR_EVENT_A_MAX = __DPR_EVENT_A_MAX - 1
};

/**
 * enum dpr_stat - the counters; each is also its attribute type (u64)
 *
 * Counters start at 0 when the namespace does and only grow.
 *
 * The SYN decision. Each first SYN of a connection to a service adds to exactly one of
 * these:
 * @DPR_STAT_SERVED_OFF: served: the policy is off.
 * @DPR_STAT_SERVED_BELOW_MAX_LOAD: served: own load was below MaxLoad.
 * @DPR_STAT_SERVED_LOWEST: served: own load was the lowest.
 * @DPR_STAT_SERVED_NO_PEER: served: no usable peer.
 * @DPR_STAT_SERVED_HASH: served: the stateless hash picked this host.
 * @DPR_STAT_SERVED_LOCAL: served: came from this host itself.
 * @DPR_STAT_SERVED_TABLE_FULL: served: no room in the routing table.
 * @DPR_STAT_SERVED_NO_MEMORY: served: no memory for a flow.
 * @DPR_STAT_REDIRECTED: redirected, a flow was made.
 * @DPR_STAT_REDIRECTED_HASH: redirected by the stateless hash, no flow.
 * @DPR_STAT_SERVED_NO_ROUTE: served: no usable route to the chosen peer.
 * @DPR_STAT_SERVED_BEHIND: served: the client is on a link of this host that the chosen
 *	peer is not on, such as a container or a client of a VPN.
 * @DPR_STAT_SERVED_AFFINITY: served: the client belongs to this host
 *	(DPR_CONFIG_A_AFFINITY).
 * @DPR_STAT_SERVED_OFF_LINK: served: the chosen peer is not on a link of this host, and the
 *	service's forwarding is DPR_FORWARDING_DIRECT.
 * @DPR_STAT_SERVED_GROUP: served: rules by what is asked for chose this host, of the
 *	service's group (DPR_CMD_RULES_SET).
 *
 * Offers (DPR_POLICY_OFFER), and SYNs that peers refuse. Each connection counts as
 * redirected once, however often it was placed, or moved (DPR_DISPATCH_REQUEST):
 * @DPR_STAT_OFFERED: SYNs offered to peers, which may refuse them for their load.
 * @DPR_STAT_OFFER_RETURNED: SYNs that peers refused, and sent back.
 * @DPR_STAT_OFFER_SERVED: of the connections redirected, also by handovers, served here in
 *	the end: the policy chose this host after a refusal, or no peer was usable.
 * @DPR_STAT_OFFER_LATE: refusals dropped: too late. The client had retransmitted its SYN,
 *	or the connection was established.
 * @DPR_STAT_OFFER_UNKNOWN: refusals dropped: this peer was not sent that SYN.
 * @DPR_STAT_REFUSED_LOAD: offers from peers refused: own load was not below MaxLoad.
 * @DPR_STAT_REFUSED_DRAINING: redirected SYNs refused: this host drains.
 * @DPR_STAT_REFUSED_NO_LISTENER: redirected SYNs refused: nothing listens here.
 * @DPR_STAT_REFUSED_FULL: redirected SYNs refused: the listener's accept queue is full.
 * @DPR_STAT_REFUSED_OWN: redirected SYNs refused: the client is this host itself.
 * @DPR_STAT_REFUSED_LONG: redirected SYNs dropped: this host cannot serve them, and they
 *	are too long to be sent back.
 *
 * Other SYNs:
 * @DPR_STAT_SYN_RETRANSMITTED: a SYN of a flow, sent after the first copy.
 * @DPR_STAT_SYN_OWNED: a SYN of a connection that this host already serves.
 *
 * Packets sent to peers:
 * @DPR_STAT_TX_PACKETS: packets redirected (a super-packet counts once; none is on the fast
 *	path, which counts each segment).
 * @DPR_STAT_TX_BYTES: their bytes, without the outer header.
 * @DPR_STAT_TX_ICMP: of these, ICMP errors about a redirected connection.
 * @DPR_STAT_TX_FRAGMENTED: packets fragmented before encapsulation.
 * @DPR_STAT_TX_TOO_BIG: refused with ICMP fragmentation needed.
 * @DPR_STAT_TX_NO_ROUTE: dropped: no usable route to the peer.
 * @DPR_STAT_TX_NO_MEMORY: dropped: no memory for the outer header.
 * @DPR_STAT_TX_ERROR: dropped by the output path (firewall, queue, device).
 * @DPR_STAT_TX_DIRECT: of the packets sent to peers, those that went direct.
 *
 * Marked packets received:
 * @DPR_STAT_RX_PACKETS: accepted (a super-packet counts once).
 * @DPR_STAT_RX_BYTES: their bytes, without the outer header.
 * @DPR_STAT_RX_SYN: of these, SYNs.
 * @DPR_STAT_RX_ICMP: of these, ICMP errors.
 * @DPR_STAT_RX_STRANGER: dropped: marked, but not from a known peer.
 * @DPR_STAT_RX_MALFORMED: dropped: inner header truncated or invalid.
 * @DPR_STAT_RX_NESTED: dropped: in the inner packet is another one.
 * @DPR_STAT_RX_BAD_ADDRESS: dropped: inner addresses that no client's packet can have
 *	(loopback, multicast, broadcast, zero, this host as source); or a question to the group
 *	(DPR_CONFIG_A_GROUP) from a peer that would not send it there.
 * @DPR_STAT_RX_NOT_SERVED: dropped: inner packet is neither TCP nor an ICMP error about a
 *	TCP connection, or it is a RST that no socket wants.
 * @DPR_STAT_RX_ECN: dropped: outer CE on an inner packet that is not ECN-capable (RFC
 *	6040).
 * @DPR_STAT_RX_CHECKSUM: dropped: no socket wanted it and its TCP checksum was wrong.
 * @DPR_STAT_RX_RESET: no socket wanted it; answered by a RST.
 * @DPR_STAT_RX_NO_MEMORY: dropped: no memory, or no route for its RST.
 * @DPR_STAT_RX_LISTENER_DEFERRED: SYN held while its listener was prepared, or dropped if
 *	that could not be for 0.1 s.
 * @DPR_STAT_RX_POLICY: dropped: the host's IPsec policy requires the outer packet to be
 *	protected.
 * @DPR_STAT_RX_FRAGMENTS: fragments of redirected packets that wait for the rest.
 * @DPR_STAT_RX_DIRECT: packets that came direct, accepted or refused: each counts as what
 *	became of it, too.
 *
 * Fragments of clients' packets:
 * @DPR_STAT_FRAGMENTS_GATHERED: packets reassembled before classification.
 *
 * Replies:
 * @DPR_STAT_MSS_LOWERED: SYN-ACKs whose MSS was lowered by what the tunnel adds.
 *
 * Flows:
 * @DPR_STAT_FLOWS_EXPIRED: flows removed by their timeout.
 * @DPR_STAT_FLOWS_EVICTED: half-open flows evicted for new ones.
 * @DPR_STAT_FLOWS_REPLACED: closing flows replaced by a new connection.
 * @DPR_STAT_FLOWS_RESET: flows ended because their peer is dead.
 * @DPR_STAT_FLOWS_DELETED: flows removed by DPR_CMD_FLOW_DEL.
 * @DPR_STAT_FLOWS_ENDED: flows removed because the serving host reported that it has no
 *	socket of the connection.
 * @DPR_STAT_FLOWS_ASKED: questions to peers about flows whose clients are silent.
 * @DPR_STAT_RX_FLOW_ASKED: questions of peers received, about flows whose clients are
 *	silent.
 * @DPR_STAT_RX_FLOW_ANSWERED: messages from peers about their connections accepted.
 * @DPR_STAT_RX_FLOW_REFUSED: messages from peers about the end of a connection refused: no
 *	such flow, not that peer's, or not the connection's number.
 * @DPR_STAT_FLOWS_LOST: half-open flows removed, and their connections placed anew: packets
 *	to their peer do not arrive.
 * @DPR_STAT_FLOWS_OWN: half-open flows removed: the client has taken this host's answer to
 *	a copy of its SYN, which a peer redirected here.
 *
 * Orphans (enum dpr_orphans):
 * @DPR_STAT_OWNER_ASKED: segments for which the peers were asked: they wait for the answer,
 *	or are dropped, as those are that wait in vain.
 * @DPR_STAT_OWNER_HELD: segments of DPR_STAT_OWNER_ASKED that were sent on when a peer
 *	claimed their connection.
 * @DPR_STAT_OWNER_WAITED: segments dropped because they were asked just before.
 * @DPR_STAT_OWNER_LIMITED: segments dropped because too many questions are open.
 * @DPR_STAT_OWNER_FOUND: connections that a peer claimed; each got a flow.
 * @DPR_STAT_OWNER_UNKNOWN: segments left to the stack, which answers with a RST: no peer
 *	claimed the connection.
 * @DPR_STAT_OWNER_CLAIMED: connections that this host claimed.
 * @DPR_STAT_TX_OWNER_MESSAGES: messages for peers: questions, claims, ends. Each also
 *	counts as a packet sent to peers, or as the reason why it was not.
 * @DPR_STAT_RX_OWNER_ASKED: messages of peers received that ask who has connections: one,
 *	or as many as a message holds.
 * @DPR_STAT_RX_OWNER_REFUSED: claims refused: not asked for, no room for a flow, or the
 *	connection already has one.
 * @DPR_STAT_OWNER_FOLLOWED: segments that followed the stateless policy's hash because too
 *	many questions are open, or a SYN had done so meanwhile.
 * @DPR_STAT_HASH_ASKED: questions about connections whose segments follow the stateless
 *	policy's hash meanwhile: whether the host that it names serves one, while the set of
 *	hosts changes, and who does after a SYN.
 * @DPR_STAT_OWNER_DENIED: answers of peers that they do not serve a connection that this
 *	host asked for.
 * @DPR_STAT_HASH_MISSED: redirected segments dropped: this host does not serve the
 *	connection (DPR_ORPHANS_ASK). They may have followed the stateless policy's hash of
 *	another set of hosts. Also SYNs that followed the flow of an older connection to where
 *	nothing listens any more. The host that redirected them was told, unless too many
 *	messages were sent already, or it was not found out among too many senders of
 *	segments without a tunnel.
 * @DPR_STAT_RX_HASH_MISSED: connections of which peers have told that: their later segments
 *	raise questions.
 * @DPR_STAT_BULK_MISSED: messages to peers that bulk data that they may have redirected
 *	have no socket here.
 *
 * Gauges:
 * @DPR_STAT_FLOWS: gauge; flows now.
 * @DPR_STAT_FLOWS_LIVE: gauge; flows now that their peers have not reported as ended.
 *
 * Probes of the way to peers:
 * @DPR_STAT_PEERS_LOST: times that packets redirected to a peer were found not to arrive.
 * @DPR_STAT_RX_PROBED: probes from peers received, and answered.
 * @DPR_STAT_RX_ECHO: answers to probes received.
 * @DPR_STAT_RX_ECHO_REFUSED: answers to probes refused: none was sent.
 *
 * Questions whether a network lets answers pass:
 * @DPR_STAT_RX_SOURCE_ASKED: questions from peers whether packets with their addresses as
 *	source pass, answered.
 * @DPR_STAT_RX_SOURCE_LIMITED: questions dropped: the same peer asked less than a quarter
 *	of a second before.
 * @DPR_STAT_RX_SOURCE_ANSWERED: answers past the tunnel to questions of this host
 *	(DPR_CMD_PEER_ASK); one in the tunnel counts as DPR_STAT_RX_ECHO.
 * @DPR_STAT_RX_SOURCE_REFUSED: answers dropped: none was due, or not with that number, from
 *	that peer or address.
 *
 * Answers through the first host (DPR_ANSWERS_THROUGH):
 * @DPR_STAT_TX_ANSWERS: answers to clients, of the packets sent to peers.
 * @DPR_STAT_TX_ANSWER_TOO_BIG: answers dropped: too large for the tunnel. The route to the
 *	client got the MTU that fits.
 * @DPR_STAT_SYN_MSS_LOWERED: redirected SYNs whose MSS was lowered, so that answers fit the
 *	tunnel.
 * @DPR_STAT_RX_ANSWERS: answers sent on to clients, of the packets received.
 * @DPR_STAT_RX_ANSWER_REFUSED: answers dropped: this host or another peer serves the
 *	connection, or the answer is from an address that this host does not have.
 * @DPR_STAT_RX_ANSWER_HOPS: answers dropped: the hop limit is spent.
 * @DPR_STAT_RX_ANSWER_NO_ROUTE: answers dropped: no route to the client.
 * @DPR_STAT_RX_ANSWER_TOO_BIG: answers dropped: too large for the way to the client. The
 *	peer gets an ICMP error.
 *
 * Connections placed by what the client sends (DPR_DISPATCH_CONNECTION):
 * @DPR_STAT_HANDOVER_SYN: SYNs answered in the place of the host that will serve, copies
 *	included.
 * @DPR_STAT_HANDOVER_KEPT: segments kept until a host has their connection.
 * @DPR_STAT_HANDOVER_NOTED: segments dropped: acknowledgments, copies, a RST.
 * @DPR_STAT_HANDOVER_STRAY: segments dropped: outside of what the client may send, with a
 *	wrong checksum, without the protection that IPsec's policy asks for, or not an
 *	acknowledgment of the answer to the SYN.
 * @DPR_STAT_HANDOVER_LIMITED: segments dropped: there are too many connections, or no
 *	memory. The client sends them again.
 * @DPR_STAT_HANDOVER_OFF: SYNs that went the way of DPR_DISPATCH_SYN: this host has no keys
 *	or knows of no peer, the policy is off, its link is in a VRF, IPsec's policy does not
 *	take the SYN, or its listener's connections must have their own handshake (MD5, TCP-AO;
 *	from Linux 6.9 on also if tcp_syncookies is 0).
 * @DPR_STAT_HANDOVER_FULL: SYNs that went the way of DPR_DISPATCH_SYN: too many connections
 *	wait already.
 * @DPR_STAT_HANDOVER_EVICTED: connections that waited for 3 s or more, or for less if one
 *	that moves needed the place, forgotten for others.
 * @DPR_STAT_HANDOVER_EXPIRED: connections forgotten: no data came, the first byte was
 *	missing, or nobody could take them.
 * @DPR_STAT_HANDOVER_LOCAL: connections that this host took from itself.
 * @DPR_STAT_HANDOVER_TAKEN: connections that peers took.
 * @DPR_STAT_HANDOVER_REFUSED: refusals by peers accepted; the connection went to another
 *	host.
 * @DPR_STAT_HANDOVER_LATE: answers to handovers dropped: none was open, or another one.
 * @DPR_STAT_HANDOVER_RESET: connections reset: no host could take them.
 * @DPR_STAT_TX_HANDOVER: handovers and answers to them sent; each also counts as
 *	DPR_STAT_TX_PACKETS, or as what became of it.
 * @DPR_STAT_RX_HANDOVER: of the packets received, segments that came with a handover.
 * @DPR_STAT_RX_HANDOVER_TAKEN: connections that this host took from peers.
 * @DPR_STAT_RX_HANDOVER_FORGED: handovers and answers dropped: not made with a key of this
 *	host.
 * @DPR_STAT_RX_HANDOVER_STALE: handovers and answers dropped: made more than 10 s ago, or
 *	the clocks differ by that.
 * @DPR_STAT_RX_HANDOVER_WAITED: handovers dropped: another copy is being taken, or the
 *	segment cannot begin the connection here. The client sends it again.
 * @DPR_STAT_RX_HANDOVER_REFUSED: handovers refused: this host drains or cannot serve the
 *	service, or the connection was refused before.
 * @DPR_STAT_RX_HANDOVER_FAILED: handovers refused because the socket could not be made: no
 *	memory, or a firewall.
 * @DPR_STAT_RX_HANDOVER_FULL: handovers refused: too many connections came in the last 21 s
 *	to remember each.
 *
 * Connections that move with a request (DPR_DISPATCH_REQUEST):
 * @DPR_STAT_MIGRATE_HELD: requests held while their connections may leave this host. Those
 *	that stay pass the hooks again.
 * @DPR_STAT_MIGRATE_AWAY: connections that this host let go, for another one.
 * @DPR_STAT_MIGRATE_BACK: connections of this first host that peers let go.
 * @DPR_STAT_MIGRATE_BOUNCED: segments of connections let go, given back to their first
 *	host.
 * @DPR_STAT_MIGRATE_SILENCED: RSTs to clients whose connections were let go, dropped.
 * @DPR_STAT_MIGRATE_STAYED_UNKNOWN: connections that cannot move any more: they are not
 *	understood as HTTP/1, have another protocol (CONNECT, Upgrade), are authenticated as a
 *	whole (NTLM, Negotiate), or a part of a request's head came before an earlier one. Counted
 *	if a client's segment shows that.
 * @DPR_STAT_MIGRATE_STAYED_PIPELINED: connections that cannot move any more: a request came
 *	before the last one had its answer.
 * @DPR_STAT_MIGRATE_STAYED_BODY: requests that another host should have served, but that
 *	may have a body, want more than an answer (Upgrade, Expect) or are not of HTTP/1.1.
 * @DPR_STAT_MIGRATE_STAYED_BUSY: requests that another host should have served: the server
 *	has not read all that came before, or is using the socket for more than 0.1 s, or the
 *	client has not acknowledged all that was sent.
 * @DPR_STAT_MIGRATE_STAYED_SOCKET: requests that another host should have served: the
 *	socket is not an ordinary one (kTLS, a sockmap, MPTCP, signed segments), or has got 2 GiB
 *	from its client.
 * @DPR_STAT_MIGRATE_STAYED_LARGE: requests that another host should have served: they do
 *	not fit the tunnel, or came as several segments at once.
 * @DPR_STAT_MIGRATE_STAYED_FIRST: requests that another host should have served: the first
 *	host does not take connections back.
 * @DPR_STAT_MIGRATE_STAYED_FULL: requests that another host should have served: too many
 *	are about to leave, or no memory.
 * @DPR_STAT_RX_MIGRATE: of the packets received, segments of connections that peers let go.
 * @DPR_STAT_RX_MIGRATE_REFUSED: segments of connections that peers let go, dropped: the
 *	peer does not serve the connection, or not any more.
 *
 * Connections to backends (DPR_CMD_BACKEND_SET):
 * @DPR_STAT_SPLICED: connections that backends got.
 * @DPR_STAT_SPLICE_TX_PACKETS: packets of clients sent to backends (a super-packet counts
 *	once).
 * @DPR_STAT_SPLICE_TX_BYTES: their bytes.
 * @DPR_STAT_SPLICE_RX_PACKETS: packets of backends sent to clients.
 * @DPR_STAT_SPLICE_RX_BYTES: their bytes.
 * @DPR_STAT_SPLICE_ICMP: ICMP errors about connections to backends, sent to the other end.
 * @DPR_STAT_SPLICE_LIMITED: connections that no backend got: those that could have as many
 *	as they may. They go where they would without backends, as those of the next five
 *	reasons.
 * @DPR_STAT_SPLICE_FULL: connections that no backend got: there are too many
 *	(DPR_CONFIG_A_MAX_SPLICES).
 * @DPR_STAT_SPLICE_NO_PORT: connections that no backend got: no port was free, of the last
 *	128 tried.
 * @DPR_STAT_SPLICE_NO_ROUTE: connections that no backend got: no usable route to the
 *	backend.
 * @DPR_STAT_SPLICE_LOOP: connections that no backend got: the client is a backend, or the
 *	backend has become a peer.
 * @DPR_STAT_SPLICE_NO_MEMORY: connections that no backend got: no memory.
 * @DPR_STAT_SPLICE_HOPS: packets to or from backends dropped: the hop limit is spent.
 * @DPR_STAT_SPLICE_REFUSED: packets to or from backends dropped: with IP options, extension
 *	headers or a wrong TCP header, without the protection that IPsec's policy asks for, what
 *	could take the place of a PROXY header, or ICMP errors that cannot be translated.
 * @DPR_STAT_SPLICE_ERROR: packets to or from backends dropped: by the output path
 *	(firewall, queue, device), or there is no usable route any more, or no memory.
 * @DPR_STAT_SPLICE_EXPIRED: connections forgotten by their timeout.
 * @DPR_STAT_SPLICE_EVICTED: connections forgotten for new ones: half-open, or over.
 * @DPR_STAT_SPLICES: gauge; connections now, those included that have just ended.
 * @DPR_STAT_SPLICE_PROXY: headers of the PROXY protocol sent to backends, those included
 *	that were sent again.
 * @DPR_STAT_HANDOVER_SPLICED: connections that were placed by what their client sends, and
 *	that a backend got.
 * @DPR_STAT_SPLICE_UNANSWERED: connections placed again: their backend refused them, did
 *	not answer, or would have had other options than the client was told.
 *
 * The fast path:
 * @DPR_STAT_FAST_TX: packets sent to a peer by the device that they came by, of the packets
 *	sent to peers.
 * @DPR_STAT_FAST_REDIRECT: packets sent to a peer by another device than they came by, of
 *	the packets sent to peers.
 * @DPR_STAT_FAST_PASS_HOOKS: segments to a service left to netfilter: a firewall, a traffic
 *	control filter or a queueing discipline of a device wants to see them.
 * @DPR_STAT_FAST_PASS_SHAPE: segments to a service left to netfilter: SYN, FIN or RST is
 *	set, or they have IP options, are a fragment, marked, or not whole, or their TCP
 *	checksum is left to a device.
 * @DPR_STAT_FAST_PASS_FLOW: segments to a service left to netfilter: no established flow to
 *	a living peer.
 * @DPR_STAT_FAST_PASS_WAY: segments to a service left to netfilter: no route or no
 *	link-layer address of the peer is known yet, or the way there is no plain one.
 * @DPR_STAT_FAST_PASS_SIZE: segments to a service left to netfilter: too large for the way,
 *	or too little room before them.
 * @DPR_STAT_FAST_PASS_DEVICE: segments to a service left to netfilter: their device is a port
 *	of another, or the peer is reached by a device that cannot send for the fast path, as
 *	a veth whose other end has no program of XDP, or to which no such program is attached.
 */
enum dpr_stat {
	DPR_STAT_UNSPEC,
	DPR_STAT_SERVED_OFF,
	DPR_STAT_SERVED_BELOW_MAX_LOAD,
	DPR_STAT_SERVED_LOWEST,
	DPR_STAT_SERVED_NO_PEER,
	DPR_STAT_SERVED_HASH,
	DPR_STAT_SERVED_LOCAL,
	DPR_STAT_SERVED_TABLE_FULL,
	DPR_STAT_SERVED_NO_MEMORY,
	DPR_STAT_REDIRECTED,
	DPR_STAT_REDIRECTED_HASH,
	DPR_STAT_OFFERED,
	DPR_STAT_OFFER_RETURNED,
	DPR_STAT_OFFER_SERVED,
	DPR_STAT_OFFER_LATE,
	DPR_STAT_OFFER_UNKNOWN,
	DPR_STAT_REFUSED_LOAD,
	DPR_STAT_REFUSED_DRAINING,
	DPR_STAT_SYN_RETRANSMITTED,
	DPR_STAT_SYN_OWNED,
	DPR_STAT_TX_PACKETS,
	DPR_STAT_TX_BYTES,
	DPR_STAT_TX_ICMP,
	DPR_STAT_TX_FRAGMENTED,
	DPR_STAT_TX_TOO_BIG,
	DPR_STAT_TX_NO_ROUTE,
	DPR_STAT_TX_NO_MEMORY,
	DPR_STAT_TX_ERROR,
	DPR_STAT_RX_PACKETS,
	DPR_STAT_RX_BYTES,
	DPR_STAT_RX_SYN,
	DPR_STAT_RX_ICMP,
	DPR_STAT_RX_STRANGER,
	DPR_STAT_RX_MALFORMED,
	DPR_STAT_RX_NESTED,
	DPR_STAT_RX_BAD_ADDRESS,
	DPR_STAT_RX_NOT_SERVED,
	DPR_STAT_RX_ECN,
	DPR_STAT_RX_CHECKSUM,
	DPR_STAT_RX_RESET,
	DPR_STAT_RX_NO_MEMORY,
	DPR_STAT_RX_LISTENER_DEFERRED,
	DPR_STAT_FRAGMENTS_GATHERED,
	DPR_STAT_MSS_LOWERED,
	DPR_STAT_FLOWS_EXPIRED,
	DPR_STAT_FLOWS_EVICTED,
	DPR_STAT_FLOWS_REPLACED,
	DPR_STAT_FLOWS_RESET,
	DPR_STAT_FLOWS_DELETED,
	DPR_STAT_OWNER_ASKED,
	DPR_STAT_OWNER_WAITED,
	DPR_STAT_OWNER_LIMITED,
	DPR_STAT_OWNER_FOUND,
	DPR_STAT_OWNER_UNKNOWN,
	DPR_STAT_OWNER_CLAIMED,
	DPR_STAT_TX_OWNER_MESSAGES,
	DPR_STAT_RX_OWNER_ASKED,
	DPR_STAT_RX_OWNER_REFUSED,
	DPR_STAT_FLOWS,
	DPR_STAT_FLOWS_LIVE,
	DPR_STAT_OWNER_FOLLOWED,
	DPR_STAT_HASH_ASKED,
	DPR_STAT_FLOWS_ENDED,
	DPR_STAT_FLOWS_ASKED,
	DPR_STAT_RX_FLOW_ASKED,
	DPR_STAT_RX_FLOW_ANSWERED,
	DPR_STAT_RX_FLOW_REFUSED,
	DPR_STAT_RX_POLICY,
	DPR_STAT_RX_FRAGMENTS,
	DPR_STAT_SERVED_NO_ROUTE,
	DPR_STAT_SERVED_BEHIND,
	DPR_STAT_REFUSED_NO_LISTENER,
	DPR_STAT_REFUSED_FULL,
	DPR_STAT_REFUSED_OWN,
	DPR_STAT_REFUSED_LONG,
	DPR_STAT_PEERS_LOST,
	DPR_STAT_FLOWS_LOST,
	DPR_STAT_RX_PROBED,
	DPR_STAT_RX_ECHO,
	DPR_STAT_RX_ECHO_REFUSED,
	DPR_STAT_SERVED_AFFINITY,
	DPR_STAT_SERVED_OFF_LINK,
	DPR_STAT_TX_DIRECT,
	DPR_STAT_RX_DIRECT,
	DPR_STAT_OWNER_HELD,
	DPR_STAT_RX_SOURCE_ASKED,
	DPR_STAT_RX_SOURCE_LIMITED,
	DPR_STAT_RX_SOURCE_ANSWERED,
	DPR_STAT_RX_SOURCE_REFUSED,
	DPR_STAT_TX_ANSWERS,
	DPR_STAT_TX_ANSWER_TOO_BIG,
	DPR_STAT_SYN_MSS_LOWERED,
	DPR_STAT_RX_ANSWERS,
	DPR_STAT_RX_ANSWER_REFUSED,
	DPR_STAT_RX_ANSWER_HOPS,
	DPR_STAT_RX_ANSWER_NO_ROUTE,
	DPR_STAT_RX_ANSWER_TOO_BIG,
	DPR_STAT_FLOWS_OWN,
	DPR_STAT_HANDOVER_SYN,
	DPR_STAT_HANDOVER_KEPT,
	DPR_STAT_HANDOVER_NOTED,
	DPR_STAT_HANDOVER_STRAY,
	DPR_STAT_HANDOVER_LIMITED,
	DPR_STAT_HANDOVER_OFF,
	DPR_STAT_HANDOVER_FULL,
	DPR_STAT_HANDOVER_EVICTED,
	DPR_STAT_HANDOVER_EXPIRED,
	DPR_STAT_HANDOVER_LOCAL,
	DPR_STAT_HANDOVER_TAKEN,
	DPR_STAT_HANDOVER_REFUSED,
	DPR_STAT_HANDOVER_LATE,
	DPR_STAT_HANDOVER_RESET,
	DPR_STAT_TX_HANDOVER,
	DPR_STAT_RX_HANDOVER,
	DPR_STAT_RX_HANDOVER_TAKEN,
	DPR_STAT_RX_HANDOVER_FORGED,
	DPR_STAT_RX_HANDOVER_STALE,
	DPR_STAT_RX_HANDOVER_WAITED,
	DPR_STAT_RX_HANDOVER_REFUSED,
	DPR_STAT_RX_HANDOVER_FAILED,
	DPR_STAT_RX_HANDOVER_FULL,
	DPR_STAT_SERVED_GROUP,
	DPR_STAT_OWNER_DENIED,
	DPR_STAT_HASH_MISSED,
	DPR_STAT_RX_HASH_MISSED,
	DPR_STAT_BULK_MISSED,
	DPR_STAT_MIGRATE_HELD,
	DPR_STAT_MIGRATE_AWAY,
	DPR_STAT_MIGRATE_BACK,
	DPR_STAT_MIGRATE_BOUNCED,
	DPR_STAT_MIGRATE_SILENCED,
	DPR_STAT_MIGRATE_STAYED_UNKNOWN,
	DPR_STAT_MIGRATE_STAYED_PIPELINED,
	DPR_STAT_MIGRATE_STAYED_BODY,
	DPR_STAT_MIGRATE_STAYED_BUSY,
	DPR_STAT_MIGRATE_STAYED_SOCKET,
	DPR_STAT_MIGRATE_STAYED_LARGE,
	DPR_STAT_MIGRATE_STAYED_FIRST,
	DPR_STAT_MIGRATE_STAYED_FULL,
	DPR_STAT_RX_MIGRATE,
	DPR_STAT_RX_MIGRATE_REFUSED,
	DPR_STAT_SPLICED,
	DPR_STAT_SPLICE_TX_PACKETS,
	DPR_STAT_SPLICE_TX_BYTES,
	DPR_STAT_SPLICE_RX_PACKETS,
	DPR_STAT_SPLICE_RX_BYTES,
	DPR_STAT_SPLICE_ICMP,
	DPR_STAT_SPLICE_LIMITED,
	DPR_STAT_SPLICE_FULL,
	DPR_STAT_SPLICE_NO_PORT,
	DPR_STAT_SPLICE_NO_ROUTE,
	DPR_STAT_SPLICE_LOOP,
	DPR_STAT_SPLICE_NO_MEMORY,
	DPR_STAT_SPLICE_HOPS,
	DPR_STAT_SPLICE_REFUSED,
	DPR_STAT_SPLICE_ERROR,
	DPR_STAT_SPLICE_EXPIRED,
	DPR_STAT_SPLICE_EVICTED,
	DPR_STAT_SPLICES,
	DPR_STAT_SPLICE_PROXY,
	DPR_STAT_HANDOVER_SPLICED,
	DPR_STAT_SPLICE_UNANSWERED,
	DPR_STAT_FAST_TX,
	DPR_STAT_FAST_REDIRECT,
	DPR_STAT_FAST_PASS_HOOKS,
	DPR_STAT_FAST_PASS_SHAPE,
	DPR_STAT_FAST_PASS_FLOW,
	DPR_STAT_FAST_PASS_WAY,
	DPR_STAT_FAST_PASS_SIZE,
	DPR_STAT_FAST_PASS_DEVICE,
	DPR_STAT_PAD,

	__DPR_STAT_MAX,
	DPR_STAT_MAX = __DPR_STAT_MAX - 1
};

#endif /* _DPR_H */
