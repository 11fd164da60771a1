# Adoption: the Python agent and FRR make a node what it is (`/share/python` has what they left), then ours takes it over (`ours`),
# starts again (`again`), starts with all wiring gone (`anew`), and loses a VLAN network (`without`). `/share/monitor*` is every
# change of the kernel meanwhile. Without /share/ovn-bgp-agent only the first part runs.
set -eu
. /share/node.sh

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
  starts=$((starts + 1))
  /share/ovn-bgp-agent --config-file /run/ours.conf > /share/ours-$starts.log 2>&1 &
  ours=$!
  wait_for 120 "the sessions of ours" sh -c "[ \$(grep -c 'BGP session up' /share/ours-$starts.log) = 2 ]"
  wait_for 120 "the first pass of ours" grep -q 'BGP Agent Started' /share/ours-$starts.log
  wait_exposed 120
}

stop_ours() { kill -9 $ours; wait $ours || true; }

watch_kernel() { ip monitor link address route rule neigh > "$1" 2>&1 & monitor=$!; }

unwire() { # nothing of any agent is left but the name of the table
  for f in -4 -6; do
    ip $f rule | awk '/^32000/ { print $5 }' | while read -r to; do ip $f rule del priority 32000 to "$to"; done
    ip $f route flush table br-ex
  done
  ip link del br-ex.123
  ip neigh flush dev br-ex nud permanent
  ip -6 neigh show proxy dev br-ex | while read -r a _; do ip -6 neigh del proxy "$a" dev br-ex; done
  ip address flush dev br-ex scope global
  sysctl -qw net.ipv4.conf.br-ex.proxy_arp=0 net.ipv6.conf.br-ex.proxy_ndp=0
  ovs-ofctl del-flows br-ex cookie=0x3e7/-1
}

step() { echo "[$(cut -d' ' -f1 /proc/uptime)] $*"; }

start_kernel
step leaf;     start_leaf > /dev/null 2>&1
step frr;      start_frr > /dev/null 2>&1
step switch;   start_switch > /dev/null
step network;  write_network
step python;   start_python
step vms;      plug_vms
wait_exposed 450
pings /share/python
capture /share/python
step "the Python agent has wired the node; it and FRR end"
# at once: a node does not choose how its agent ends, and nothing is withdrawn either way
kill -9 $python
wait $python || true
[ -e /share/ovn-bgp-agent ] || { step "no agent of ours to go on with"; exit 0; }

starts=0
watch_kernel /share/monitor
ip netns exec leaf ip monitor route > /share/leaf-monitor 2>&1 &
leaf_monitor=$!
ip netns exec leaf ping -n -i 0.2 172.24.4.138 > /share/handover-ping 2>&1 &
pinging=$!
stop_frr
step ours;     start_ours
pings /share/ours
kill -INT $pinging; wait $pinging || true
kill $leaf_monitor $monitor
capture /share/ours

step "restart with nothing changed"
stop_ours
watch_kernel /share/monitor-restart
start_ours
kill $monitor
capture /share/again

step "from nothing, beside a VLAN device of the operator's"
stop_ours
unwire
ip link add link br-ex name br-ex.77 type vlan id 77
ip link set br-ex.77 up
ip address add 192.0.2.77/24 dev br-ex.77
capture /share/nothing
start_ours
pings /share/anew
capture /share/anew

step "the VLAN network goes"
ovn-nbctl lsp-del provnet-7e9d38e8-00a2-55ea-a140-42445206049b
wait_for 60 "the end of br-ex.123" sh -c '! ip link show br-ex.123'
wait_for 60 "the leaf to forget 172.30.0.182" leaf_lacks 172.30.0.182/32 ipv4
capture /share/without
step done
