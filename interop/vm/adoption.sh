# Adoption: the Python agent and FRR make a node what it is; then ours takes it over. `/share/python` and `/share/ours` have what
# each left, `/share/monitor` every change of the kernel while ours came up. Without /share/ovn-bgp-agent only the first half runs.
set -eu
. /share/node.sh

start_frr() {
  cat > /etc/frr/frr.conf <<'X'
router bgp 64999
 bgp router-id 172.30.1.1
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 bgp graceful-restart
 neighbor 100.65.1.1 remote-as internal
 neighbor 100.65.1.1 timers connect 1
 neighbor fd00:65::1 remote-as internal
 neighbor fd00:65::1 timers connect 1
 address-family ipv4 unicast
  redistribute connected
  neighbor 100.65.1.1 activate
  neighbor 100.65.1.1 prefix-list only-host-prefixes out
 exit-address-family
 address-family ipv6 unicast
  redistribute connected
  neighbor fd00:65::1 activate
  neighbor fd00:65::1 prefix-list only-host-prefixes out
 exit-address-family
ip prefix-list only-host-prefixes permit 0.0.0.0/0 ge 32
ipv6 prefix-list only-host-prefixes permit ::/0 ge 128
X
  : > /etc/frr/vtysh.conf
  chown frr:frr /etc/frr/frr.conf /etc/frr/vtysh.conf
  mkdir -p /run/frr; chown frr:frr /run/frr
  for d in mgmtd zebra bgpd staticd; do
    file='-f /dev/null'
    case $d in mgmtd | staticd) file= ;; esac # they have no file of their own
    /usr/lib/frr/$d -d -A 127.0.0.1 $file
    wait_for 60 "$d" test -S /run/frr/$d.vty
  done
  vtysh -b
}

stop_frr() {
  for d in bgpd staticd zebra mgmtd; do kill -9 "$(cat /run/frr/$d.pid)"; done
}

start_python() {
  mkdir -p /etc/ovn-bgp-agent /var/lib/ovn-bgp-agent /var/log/ovn-bgp-agent
  cat > /etc/ovn-bgp-agent/bgp-agent.conf <<'X'
[DEFAULT]
debug = True
driver = nb_ovn_bgp_driver
exposing_method = underlay
expose_tenant_networks = False
ovsdb_connection = unix:/run/openvswitch/db.sock
bgp_AS = 64999
bgp_router_id = 172.30.1.1
[agent]
root_helper = sudo
[ovn]
ovn_nb_connection = unix:/run/ovn/ovnnb_db.sock
X
  setsid ovn-bgp-agent --config-dir /etc/ovn-bgp-agent > /share/python.log 2>&1 &
  python=$!
}

start_ours() {
  cat > /run/ours.conf <<'X'
[DEFAULT]
driver = nb_ovn_bgp_driver
exposing_method = underlay
expose_tenant_networks = False
ovsdb_connection = unix:/run/openvswitch/db.sock
bgp_AS = 64999
bgp_router_id = 172.30.1.1
control_socket = /run/ours.sock
[ovn]
ovn_nb_connection = unix:/run/ovn/ovnnb_db.sock
[bgp_neighbor leaf4]
address = 100.65.1.1
remote_as = internal
[bgp_neighbor leaf6]
address = fd00:65::1
remote_as = internal
X
  /share/ovn-bgp-agent --config-file /run/ours.conf > /share/ours.log 2>&1 &
  ours=$!
}

step() { echo "[$(cut -d' ' -f1 /proc/uptime)] $*"; }

step switch;   start_switch > /dev/null
step network;  write_network
step leaf;     start_leaf
step frr;      start_frr
step vms;      plug_vms
step python;   start_python
wait_exposed 300
pings /share/python
capture /share/python
step "the Python agent has wired the node; it and FRR end"
# at once: a node does not choose how its agent ends, and nothing is withdrawn either way
kill -9 $python
wait $python || true
[ -e /share/ovn-bgp-agent ] || { step "no agent of ours to go on with"; exit 0; }
ip monitor link address route rule neigh > /share/monitor 2>&1 &
monitor=$!
stop_frr
step ours
start_ours
wait_for 120 "the session of ours" sh -c "ip netns exec leaf vtysh --vty_socket /run/leaf --config_dir /run/leaf -c 'show bgp neighbors 100.65.1.2' | grep -q 'BGP state = Established'"
wait_exposed 120
pings /share/ours
capture /share/ours
kill $monitor
step "restart with nothing changed"
ip monitor link address route rule neigh > /share/monitor-restart 2>&1 &
monitor=$!
kill -9 $ours
wait $ours || true
start_ours
wait_for 120 "the agent's second start" sh -c '/share/ovn-bgp-agent --config-file /run/ours.conf show summary'
wait_exposed 60
kill $monitor
capture /share/again
step done
