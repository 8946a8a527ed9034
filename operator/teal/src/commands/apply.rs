//! `teal apply -f FILE`: checks an Application and writes it to its spec parameter.

use aws::names::Leaf;
use serde_json::json;

use crate::cli::{self, Global};
use crate::commands::validate;
use crate::connect::Aws;
use crate::failure::Failure;
use crate::output::Style;

/// Writes the spec, unless it is there already, to the letter.
pub(crate) async fn apply(
    global: &Global,
    arguments: &cli::Apply,
    style: Style,
) -> Result<(), Failure> {
    let (text, application) = validate::load(&arguments.file)?;
    let aws = Aws::connect(global).await?;
    let parameters = aws.parameters();
    let parameter = aws.names.parameter(&application.name, Leaf::Spec);
    let (version, changed) = match parameters.get(&application.name, Leaf::Spec).await? {
        Some(there) if there.text == text => (there.version, false),
        Some(_) | None => (
            parameters.put(&application.name, Leaf::Spec, &text).await?,
            true,
        ),
    };
    let result = json!({"application": application.name, "parameter": parameter, "version": version, "changed": changed});
    style.say(&result, || match changed {
        true => format!(
            "{}: written to {parameter} as version {version}",
            application.name
        ),
        false => format!(
            "{}: unchanged, version {version} of {parameter}",
            application.name
        ),
    });
    Ok(())
}
