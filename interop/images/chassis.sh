# OVS with the userspace datapath, ovn-controller, and the agent.
set -e
/usr/share/openvswitch/scripts/ovs-ctl --system-id="$(hostname)-id" --no-mlockall start
ovs-vsctl set open . external-ids:hostname="$(hostname)" external-ids:ovn-remote="$OVN_REMOTE" \
  external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip="$OVN_ENCAP_IP" \
  external-ids:ovn-bridge-mappings="$OVN_BRIDGE_MAPPINGS" external-ids:ovn-bridge-datapath-type=netdev \
  ${OVN_GATEWAY:+external-ids:ovn-cms-options=enable-chassis-as-gw}
for mapping in $(echo "$OVN_BRIDGE_MAPPINGS" | tr , ' '); do
  bridge=${mapping#*:}
  ovs-vsctl --may-exist add-br "$bridge" -- set bridge "$bridge" datapath_type=netdev
  ip link set "$bridge" up
done
/usr/share/ovn/scripts/ovn-ctl start_controller
until ovs-vsctl br-exists br-int; do sleep 0.1; done
exec ovn-bgp-agent --config-dir /etc/ovn-bgp-agent
