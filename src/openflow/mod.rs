//! The small part of OpenFlow that is needed, over the bridge's management socket.
