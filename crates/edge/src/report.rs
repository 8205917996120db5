//! What a listener has done: counters while it runs, and the same numbers as its last word.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of a running listener; read them with [`Stats::snapshot`].
        #[derive(Debug, Default)]
        pub struct Stats { $(pub(crate) $name: Count,)* }

        /// What a listener did in its life so far.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct ServeReport { $($(#[$doc])* pub $name: u64,)* }

        impl Stats {
            /// The numbers now.
            pub fn snapshot(&self) -> ServeReport {
                ServeReport { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Connections accepted by the kernel and looked at.
    connections,
    /// Connections closed unread, because the listener was full.
    refused_full,
    /// Connections closed unread, because their address had too many.
    refused_address,
    /// Connections closed unread, because their network had too many.
    refused_network,
    /// Connections closed unread by admission: an access list, or too many in a short time.
    refused_admission,
    /// Connections of a proxy that did not begin as agreed.
    refused_proxy,
    /// Times that the system had no descriptor or memory for one more connection.
    accept_errors,
    /// Connections that spoke cleartext HTTP to a TLS port.
    cleartext,
    /// Handshakes that failed or took too long.
    handshake_failures,
    /// Handshakes that were completed.
    handshakes,
    /// Of these, resumed ones.
    resumed,
    /// Requests that reached the application or were refused by a limit.
    requests,
    /// Requests refused by a limit of head or body, or as ambiguous.
    refused_requests,
    /// Requests turned away by admission before their body was read: a budget, or an access list.
    refused_budget,
    /// Requests refused by the firewall.
    blocked,
    /// Answers withheld by the firewall.
    withheld,
    /// Requests turned away because there was no turn for them in time.
    shed,
    /// Requests whose body came too slowly.
    slow_requests,
    /// Requests that the application did not answer in time.
    late_answers,
    /// HTTP/2 connections closed for cancelling too many requests.
    reset_floods,
    /// HTTP/2 connections closed for sending much that asks for nothing.
    chatter_floods,
    /// Connections cut at the end of a drain, because they did not end by themselves.
    cut,
    /// Connections whose task panicked: a defect here, not of the peer.
    panics,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
