# bgp_backend = frr beside FRR 10.3: adopts what the Python agent has set up for it (`/share/python`, by hand and by the word of
# its golden state), `ours`, starts again (`again`), is interfered with, survives a restart of bgpd, makes all of it from nothing
# (`anew`), and leaves nothing when another backend follows (`embedded`). Then networks instead of hosts: of tenants (`subnet`), and of the
# stretched layer 2 (`stretched`). `/share/monitor*` is every change of the kernel meanwhile.
set -eu
. /share/node.sh

# as the Python agent creates them, one after the other (upstream.md 3.0.1)
like_python() {
  ip link add bgp-vrf type vrf table 10; ip link set bgp-vrf up
  ip link add bgp-nic type dummy; ip link set bgp-nic up; ip link set bgp-nic master bgp-vrf
  for p in $exposed4 $exposed6; do ip address add "$p" dev bgp-nic; done
  cat > /tmp/leak.conf <<'E'
router bgp 64999
 address-family ipv4 unicast
  import vrf bgp-vrf
 exit-address-family
 address-family ipv6 unicast
  import vrf bgp-vrf
 exit-address-family
exit
router bgp 64999 vrf bgp-vrf
 bgp router-id 172.30.1.1
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
 address-family ipv6 unicast
  redistribute connected
 exit-address-family
exit
E
  vtysh -f /tmp/leak.conf > /dev/null 2>&1
}

driver=nb_ovn_bgp_driver
options=
southbound=

start_ours() { # BACKEND
  cat > /run/ours.conf <<E
[DEFAULT]
driver = $driver
$options
exposing_method = underlay
ovsdb_connection = unix:/run/openvswitch/db.sock
bgp_AS = 64999
bgp_backend = $1
frr_reconcile_interval = 3600
control_socket = /run/ours.sock
[ovn]
ovn_nb_connection = unix:/run/ovn/ovnnb_db.sock
$southbound
E
  if [ "$1" = embedded ]; then
    printf '[bgp_neighbor leaf]\naddress = 192.0.2.254\nremote_as = internal\n' >> /run/ours.conf
  fi
  starts=$((starts + 1))
  /share/ovn-bgp-agent --config-file /run/ours.conf > /share/ours-$starts.log 2>&1 &
  ours=$!
  wait_for 120 "the first pass of ours" grep -q 'BGP Agent Started' /share/ours-$starts.log
}

stop_ours() { kill -9 $ours; wait $ours || true; }

ask() { /share/ovn-bgp-agent --config-file /run/ours.conf "$@"; }

watch_kernel() { ip monitor link address route > "$1" 2>&1 & monitor=$!; }

frr_leaks() { vtysh -c 'show running-config' | grep -c 'import vrf bgp-vrf' | grep -qx 2; }
frr_leaks_nothing() { ! vtysh -c 'show running-config' | grep -Eq 'import vrf bgp-vrf|router bgp 64999 vrf'; }

# capture_leak DIR: what FRR is given, in an order that does not depend on when
capture_leak() {
  mkdir -p "$1"
  ip -d link show 2> /dev/null | sed 's/^[0-9]*: //' > "$1/links-in-detail"
  ip -o address show dev bgp-nic 2> /dev/null | awk '{ print $3, $4 }' | grep -v fe80: | sort > "$1/leaked" || true
  { ip route show table 10; ip -6 route show table 10; } 2> /dev/null | grep -v 'fe80:\|ff00:' | sed 's/ *$//' | sort > "$1/vrf-routes" || true
  vtysh -c 'show running-config' > "$1/running-config"
}

step() { echo "[$(cut -d' ' -f1 /proc/uptime)] $*"; }
gone() { ! ip link show "$1" > /dev/null 2>&1; }
on_nic() { ip address show dev bgp-nic | grep -q " $1 "; }
not_on_nic() { ! on_nic "$1"; }
in_vrf() { ip link show bgp-nic | grep -q 'master bgp-vrf'; }
ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }

starts=0
start_kernel
step leaf;     start_leaf > /dev/null 2>&1
step frr;      start_frr > /dev/null 2>&1
step switch;   start_switch > /dev/null
step network;  write_network
step vms;      plug_vms
step python;   like_python
wait_exposed 120
capture_leak /share/python

step ours
watch_kernel /share/monitor
ip netns exec leaf ip monitor route > /share/leaf-monitor 2>&1 &
leaf_monitor=$!
start_ours frr
wait_for 60 "a word of FRR" grep -q 'FRR is configured as it should be' /share/ours-1.log
pings /share/ours
wait_exposed 120
kill $monitor $leaf_monitor
capture /share/ours; capture_leak /share/ours
ask show summary > /share/summary
ask explain 172.24.4.151 > /share/explain
ask check > /share/check || true

step "restart with nothing changed"
stop_ours
watch_kernel /share/monitor-restart
start_ours frr
wait_for 60 "a word of FRR" grep -q 'FRR is configured as it should be' /share/ours-2.log
kill $monitor
capture /share/again; capture_leak /share/again

step interference
ip address del 172.24.4.138/32 dev bgp-nic;   wait_for 20 "b010: the address" on_nic 172.24.4.138/32
ip address add 192.0.2.66/32 dev bgp-nic;     wait_for 20 "b011: the end of the address" not_on_nic 192.0.2.66/32
ip link set bgp-nic nomaster;                 wait_for 20 "the master" in_vrf
wait_for 20 "the IPv6 address" on_nic 2001:db8:100::138/128
ip link del bgp-vrf;                          wait_for 20 "the VRF" in_vrf
ip link del bgp-nic;                          wait_for 20 "the device" on_nic 172.24.4.151/32
wait_exposed 60
capture_leak /share/interfered

step "b018: bgpd ends and comes back"
kill -9 "$(cat /run/frr/bgpd.pid)"
wait_for 20 "a word about it" grep -q 'FRR: ' /share/ours-2.log
/usr/lib/frr/bgpd -d -A 127.0.0.1 -f /dev/null
wait_for 20 bgpd test -S /run/frr/bgpd.vty
vtysh -b > /dev/null 2>&1
began=$(ms)
wait_for 60 "the leaking" frr_leaks
echo "$(($(ms) - began)) ms" > /share/repaired
wait_exposed 60

step "an exposure comes and goes"
ovn-nbctl clear logical_switch_port vm-a external_ids -- lr-nat-del $router dnat_and_snat 172.24.4.151
wait_for 60 "the leaf to forget 172.24.4.151" leaf_lacks 172.24.4.151/32 ipv4
capture_leak /share/without

# communities and MED of both addresses of a VM, and of a third one with the first word about it
leaf_hears() { leaf_vtysh -c "show bgp $1 unicast $2" > "$3"; grep -q 'Community: 65000:100' "$3" && grep -q 'metric 50' "$3"; }
say_of_vm_c() { # CIDRS ARGUMENT...
  cidrs=$1; shift
  ovn-nbctl lsp-set-addresses vm-c "fa:16:3e:0a:00:03 $(echo "$cidrs" | sed 's,/[0-9]*,,g')" \
    -- set logical_switch_port vm-c external_ids:'"neutron:cidrs"'="\"$cidrs\"" "$@"
}
step "policies"
two='172.30.0.182/24 2001:db8:200::182/64'
say_of_vm_c "$two" external_ids:'"bgp:communities"'='"65000:100 65000:1:2"' external_ids:'"bgp:med"'=50
wait_for 60 "the community of 172.30.0.182" leaf_hears ipv4 172.30.0.182/32 /share/policy-4
wait_for 60 "the community of 2001:db8:200::182" leaf_hears ipv6 2001:db8:200::182/128 /share/policy-6
say_of_vm_c "$two 172.30.0.183/24"
wait_for 60 "172.30.0.183 at the leaf" leaf_has 172.30.0.183/32 ipv4
leaf_vtysh -c 'show bgp ipv4 unicast 172.30.0.183/32' > /share/policy-first
ask explain 172.30.0.183 > /share/policy-explain
ask show exposures --json > /share/policy-exposures
stop_ours
start_ours frr
wait_for 60 "a word of FRR" grep -q 'FRR is configured as it should be' /share/ours-$starts.log
cp /share/ours-$starts.log /share/policy-again.log
capture_leak /share/policy
say_of_vm_c "$two"
wait_for 60 "the leaf to forget 172.30.0.183" leaf_lacks 172.30.0.183/32 ipv4

step "another backend"
stop_ours
start_ours embedded
wait_for 90 "the end of the device" gone bgp-nic
wait_for 20 "the end of the VRF" gone bgp-vrf
wait_for 120 "the end of the leaking" frr_leaks_nothing
capture /share/embedded; capture_leak /share/embedded
say_of_vm_c "$two" -- remove logical_switch_port vm-c external_ids '"bgp:communities"' '"bgp:med"'

step "back again, from nothing"
stop_ours
start_ours frr
exposed4='172.24.4.138/32 172.24.4.76/32 172.30.0.182/32'
wait_exposed 60
capture /share/anew; capture_leak /share/anew
# the operator lets networks pass
allow_networks() {
  vtysh -c 'configure terminal' -c 'ip prefix-list only-host-prefixes permit 0.0.0.0/0 ge 24' \
    -c 'ipv6 prefix-list only-host-prefixes permit ::/0 ge 64'
}

# capture_paths DIR PREFIX…: the next hop that the leaf has of each, or a dash
capture_paths() {
  dir=$1; shift
  for p; do
    case $p in *:*) family=ipv6 ;; *) family=ipv4 ;; esac
    hop=$(leaf_vtysh -c "show bgp $family unicast $p json" | tr -d ' \n' | sed -n 's/.*"nexthops":\[{"ip":"\([^"]*\)".*/\1/p')
    echo "$p ${hop:--}"
  done > "$dir/paths"
}

networks='10.10.0.0/24 2001:db8:300::/64'
step "subnets of tenants"
stop_ours
tenant_ipv6
allow_networks
options='expose_tenant_networks = True
advertisement_method_tenant_networks = subnet'
start_ours frr
ask plan > /share/subnet-plan || true
for p in $networks; do
  case $p in *:*) family=ipv6 ;; *) family=ipv4 ;; esac
  wait_for 60 "$p at the leaf" leaf_has "$p" $family
done
capture /share/subnet; capture_leak /share/subnet; capture_paths /share/subnet $networks

step "networks of the stretched layer 2"
stop_ours
driver=ovn_stretched_l2_bgp_driver options= southbound='ovn_sb_connection = unix:/run/ovn/ovnsb_db.sock'
start_ours frr
for p in 172.24.4.138/32 172.24.4.76/32; do wait_for 60 "the leaf to forget $p" leaf_lacks "$p" ipv4; done
wait_for 60 "172.24.4.0/24 at the leaf" leaf_has 172.24.4.0/24 ipv4
wait_for 60 "2001:db8:100::/64 at the leaf" leaf_has 2001:db8:100::/64 ipv6
wait_for 60 "a word of FRR" grep -q 'FRR is configured as it should be' /share/ours-$starts.log
capture /share/stretched; capture_leak /share/stretched; capture_paths /share/stretched $networks 172.24.4.0/24 2001:db8:100::/64

step done
