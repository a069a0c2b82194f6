//! What a transaction consists of: its definition's steps, and what is added while it runs.

use crate::definition::StepIndex;
use chancery_base::Name;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Which node of a transaction: a step, or a clone of one. The same in entries, rows and task tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeRef {
    /// Which step.
    pub step: StepIndex,
    /// 0 for the step as a whole; a clone of it is one more than its index.
    pub clone: u32,
}

impl NodeRef {
    /// The first of all.
    pub const MIN: Self = Self { step: StepIndex(0), clone: 0 };
    /// None comes after it.
    pub const MAX: Self = Self { step: StepIndex(u32::MAX), clone: u32::MAX };

    /// A step as a whole.
    #[must_use]
    pub const fn of_step(step: StepIndex) -> Self {
        Self { step, clone: 0 }
    }

    /// Which clone it is, from 0; none: it is a step as a whole.
    #[must_use]
    pub const fn index(self) -> Option<u32> {
        self.clone.checked_sub(1)
    }

    /// What it is called, where its step has this id: a clone has its index behind it, `ship[3]`.
    #[must_use]
    pub fn name(self, id: &Name) -> String {
        self.index().map_or_else(|| id.to_string(), |index| format!("{id}[{index}]"))
    }
}

impl From<StepIndex> for NodeRef {
    fn from(step: StepIndex) -> Self {
        Self::of_step(step)
    }
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step: StepIndex(step), .. } = self;
        match self.index() {
            None => write!(f, "{step}"),
            Some(index) => write!(f, "{step}[{index}]"),
        }
    }
}

/// A step is its number, as it was before there were clones; a clone is a pair.
impl Serialize for NodeRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.clone {
            0 => self.step.serialize(serializer),
            clone => (self.step, clone).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for NodeRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Step(StepIndex),
            Clone(StepIndex, u32),
        }
        match Form::deserialize(deserializer)? {
            Form::Step(step) => Ok(Self::of_step(step)),
            Form::Clone(_, 0) => Err(D::Error::custom("a clone has a number from 1")),
            Form::Clone(step, clone) => Ok(Self { step, clone }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_its_number_and_a_clone_a_pair() {
        for (node, text, told) in
            [(NodeRef::of_step(StepIndex(3)), "3", "3"), (NodeRef { step: StepIndex(3), clone: 1 }, "[3,1]", "3[0]")]
        {
            assert_eq!(serde_json::to_string(&node).unwrap(), text);
            assert_eq!(serde_json::from_str::<NodeRef>(text).unwrap(), node);
            assert_eq!(node.to_string(), told);
        }
        assert!(serde_json::from_str::<NodeRef>("[3,0]").is_err(), "a step has one form");
    }
}
