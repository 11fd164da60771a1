//! Equal routes are one allocation: fifty thousand prefixes mostly lead to a handful of routers.

use std::sync::Arc;

use bgp::AddressSet;

use super::route::KernelRoute;

/// Routes kept before those that nothing uses are looked for.
const MANY: usize = 1024;

/// The routes in use, once each.
#[derive(Debug)]
pub(super) struct SharedRoutes {
    routes: AddressSet<Arc<KernelRoute>>,
    /// Unused ones are dropped when there are so many.
    until: usize,
}

impl Default for SharedRoutes {
    fn default() -> Self {
        Self {
            routes: AddressSet::default(),
            until: MANY,
        }
    }
}

impl SharedRoutes {
    /// The one allocation of equal routes.
    pub(super) fn share(&mut self, route: KernelRoute) -> Arc<KernelRoute> {
        if let Some(shared) = self.routes.get(&route) {
            return Arc::clone(shared);
        }
        if self.routes.len() >= self.until {
            self.routes.retain(|route| Arc::strong_count(route) > 1);
            self.until = MANY.max(2 * self.routes.len());
        }
        let route = Arc::new(route);
        self.routes.insert(Arc::clone(&route));
        route
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }
}
