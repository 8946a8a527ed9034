//! Names and ARNs as types.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a text that is known to be of this kind (read from AWS, or checked).
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype!(
    /// `metadata.name` of an Application: `[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?`.
    ApplicationName
);
text_newtype!(
    /// ARN of an ELBv2 target group.
    TargetGroupArn
);
text_newtype!(
    /// ARN of an ELBv2 listener.
    ListenerArn
);
text_newtype!(
    /// ARN of an ELBv2 listener rule that is not a default rule.
    RuleArn
);
