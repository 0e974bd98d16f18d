//! Security descriptors of an image, each distinct one stored once.

use std::collections::HashMap;
use std::sync::Arc;

/// The number of a descriptor in its image; −1 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecurityId(pub i32);

impl SecurityId {
    /// No descriptor.
    pub const NONE: SecurityId = SecurityId(-1);
}

impl Default for SecurityId {
    fn default() -> Self {
        Self::NONE
    }
}

/// The descriptors, in the order of first use.
#[derive(Clone, Debug, Default)]
pub struct SecurityTable {
    descriptors: Vec<Arc<[u8]>>,
    numbers: HashMap<Arc<[u8]>, i32>,
}

impl SecurityTable {
    /// The number of a descriptor, which is added if it is new. An empty one is [`SecurityId::NONE`].
    pub fn add(&mut self, descriptor: &Arc<[u8]>) -> SecurityId {
        if descriptor.is_empty() {
            return SecurityId::NONE;
        }
        if let Some(&number) = self.numbers.get(descriptor) {
            return SecurityId(number);
        }
        let number = self.push(Arc::clone(descriptor));
        SecurityId(number)
    }

    /// Adds a descriptor under the next number even if it is there already, as a reader must.
    pub fn push(&mut self, descriptor: Arc<[u8]>) -> i32 {
        let number = self.descriptors.len() as i32;
        self.numbers
            .entry(Arc::clone(&descriptor))
            .or_insert(number);
        self.descriptors.push(descriptor);
        number
    }

    /// A descriptor by its number.
    #[must_use]
    pub fn get(&self, id: SecurityId) -> Option<&[u8]> {
        let index = usize::try_from(id.0).ok()?;
        self.descriptors.get(index).map(|descriptor| &**descriptor)
    }

    /// All of them, by number.
    #[must_use]
    pub fn all(&self) -> &[Arc<[u8]>] {
        &self.descriptors
    }
}
