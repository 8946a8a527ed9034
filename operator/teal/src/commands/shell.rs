//! `teal completions` and `teal man`: what a shell and a reader of manuals want to know of the command line.

use std::io;
use std::path::Path;

use clap::CommandFactory;

use crate::cli::{self, Cli};
use crate::failure::{Exit, Failure};
use crate::output;

/// Prints completions for a shell.
pub(crate) fn completions(arguments: &cli::Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "teal", &mut script);
    output::raw(&script).map_err(unwritten)
}

/// Prints the manual page, or writes one a command to a folder.
pub(crate) fn man(arguments: &cli::Man) -> Result<(), Failure> {
    match &arguments.out {
        None => page()
            .and_then(|page| output::raw(&page))
            .map_err(unwritten),
        Some(folder) => pages(folder).map_err(|error| {
            let message = format!("the manual pages cannot be written to {}", folder.display());
            Failure::new(Exit::Refused, message).because(error)
        }),
    }
}

fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(page)
}

fn pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}

fn unwritten(error: io::Error) -> Failure {
    Failure::new(Exit::Refused, "standard output takes nothing").because(error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A folder of its own that goes with the test.
    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_command_says_what_it_is_for_and_has_a_page() {
        let folder = std::env::temp_dir().join(format!("teal-man-{}", std::process::id()));
        let folder = Folder(folder);
        pages(&folder.0).unwrap();
        let written: BTreeSet<String> = std::fs::read_dir(&folder.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let whole = Cli::command();
        let mut expected = BTreeSet::from(["teal.1".to_owned()]);
        for command in whole.get_subcommands() {
            let name = command.get_name();
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(!about.is_empty(), "teal {name} does not say what it is for");
            let file = format!("teal-{name}.1");
            let page = std::fs::read_to_string(folder.0.join(&file)).unwrap();
            // Roff has its own way to write `'` and `-`.
            let plain = page.replace("\\*(Aq", "'").replace('\\', "");
            assert!(plain.contains(&about), "{file} does not say {about:?}");
            for argument in command.get_arguments() {
                let help = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let id = argument.get_id();
                assert!(
                    !help.is_empty(),
                    "teal {name}: {id} does not say what it is for"
                );
            }
            expected.insert(file);
        }
        assert_eq!(written, expected);
        let top = String::from_utf8(page().unwrap()).unwrap();
        assert_eq!(
            top,
            std::fs::read_to_string(folder.0.join("teal.1")).unwrap()
        );
    }

    #[test]
    fn a_file_is_no_folder_for_pages() {
        let out = Some(std::path::PathBuf::from("/dev/null/man"));
        let failure = man(&cli::Man { out }).unwrap_err();
        assert_eq!(failure.exit, Exit::Refused);
    }
}
