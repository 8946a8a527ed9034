//! Names and ARNs as types.
//!
//! In documents they are plain text; `format` in the JSON Schema names the check that [`crate::spec::load`] makes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_newtype {
    ($(#[$meta:meta])* $name:ident) => {
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        $(#[$meta])*
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
    #[schemars(extend("format" = "application-name", "pattern" = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"))]
    ApplicationName
);
text_newtype!(
    /// A gate's name: `[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?`.
    #[schemars(extend("format" = "gate-name", "pattern" = r"^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$"))]
    GateName
);
text_newtype!(
    /// An analysis's name: `[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?`.
    #[schemars(extend("format" = "gate-name", "pattern" = r"^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$"))]
    AnalysisName
);
text_newtype!(
    /// ARN of an ELBv2 target group.
    #[schemars(extend("format" = "target-group-arn", "pattern" = r"^arn:[a-z0-9-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-z]+$"))]
    TargetGroupArn
);
text_newtype!(
    /// ARN of an ELBv2 listener.
    #[schemars(extend("format" = "listener-arn", "pattern" = r"^arn:[a-z0-9-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener/app/[A-Za-z0-9-]{1,32}/[0-9a-z]+/[0-9a-z]+$"))]
    ListenerArn
);
text_newtype!(
    /// ARN of an ELBv2 listener rule that is not a default rule.
    #[schemars(extend("format" = "rule-arn", "pattern" = r"^arn:[a-z0-9-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener-rule/app/[A-Za-z0-9-]{1,32}/[0-9a-z]+/[0-9a-z]+/[0-9a-z]+$"))]
    RuleArn
);
