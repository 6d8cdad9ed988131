//! The input of the process besides its arguments: variables, and whether it is root.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::config::error::{Complaint, ConfigError, ConfigErrors};

/// The variables of the process and whether it is root, as a value.
///
/// It is captured once, before anything may change the variables of the process. A password command
/// gets exactly these variables, and a test gives others without touching the process. It has no
/// `Debug`, because it may contain passwords.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    root: bool,
}

impl Environment {
    /// Captures the variables and the effective user of this process.
    pub fn current() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// Takes the given variables.
    pub fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>, root: bool) -> Self {
        let own = |(name, value): (&str, &str)| (name.into(), value.into());
        Self {
            variables: variables.into_iter().map(own).collect(),
            root,
        }
    }

    /// The value of a variable. An empty variable counts as not set (XDG Base Directory
    /// Specification).
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }

    /// All variables, for a child that gets the original environment.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Whether the process is root.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// The path of the configuration file: the one named by `option`, else `$MAILFERRY_CONFIG`,
    /// else `/etc/mailferry/mailferry.toml` for root and
    /// `$XDG_CONFIG_HOME/mailferry/mailferry.toml` for any other user.
    ///
    /// # Errors
    /// When there is no option and neither the variables nor `$HOME` are set.
    pub fn config_file(&self, option: Option<&Path>) -> Result<PathBuf, ConfigErrors> {
        if let Some(path) = option {
            return Ok(path.to_owned());
        }
        if let Some(path) = self.get("MAILFERRY_CONFIG") {
            return Ok(path.into());
        }
        let folder = if self.root {
            PathBuf::from("/etc")
        } else {
            let nowhere = Complaint::NoHome {
                variable: "XDG_CONFIG_HOME",
                instead: "--config FILE",
            };
            self.base("XDG_CONFIG_HOME", ".config").ok_or_else(|| {
                ConfigErrors::one(ConfigError::without_place("mailferry.toml", nowhere))
            })?
        };
        Ok(folder.join("mailferry/mailferry.toml"))
    }

    /// The default state directory: `/var/lib/mailferry` for root, else
    /// `$XDG_STATE_HOME/mailferry`.
    pub(super) fn state_dir(&self) -> Option<PathBuf> {
        if self.root {
            Some("/var/lib/mailferry".into())
        } else {
            Some(
                self.base("XDG_STATE_HOME", ".local/state")?
                    .join("mailferry"),
            )
        }
    }

    /// Whether this is the default state directory, which is created with all folders above it.
    /// Above a configured one no folder is created: where a volume is not mounted, nothing may look
    /// like an empty volume.
    pub fn is_default_state_dir(&self, path: &Path) -> bool {
        self.state_dir().as_deref() == Some(path)
    }

    /// A base directory of the XDG specification, which says to ignore a relative path.
    fn base(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.get(variable).map(PathBuf::from);
        named
            .filter(|path| path.is_absolute())
            .or_else(|| Some(PathBuf::from(self.get("HOME")?).join(below_home)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(variables: &[(&str, &str)], root: bool, option: Option<&str>) -> String {
        let environment = Environment::new(variables.iter().copied(), root);
        let path = environment.config_file(option.map(Path::new)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn the_option_wins_over_the_variable_and_the_variable_over_the_default() {
        let both = [("MAILFERRY_CONFIG", "/v.toml"), ("HOME", "/home/jane")];
        assert_eq!(file(&both, false, Some("o.toml")), "o.toml");
        assert_eq!(file(&both, true, None), "/v.toml");
        let home = [("MAILFERRY_CONFIG", ""), ("HOME", "/home/jane")];
        assert_eq!(
            file(&home, false, None),
            "/home/jane/.config/mailferry/mailferry.toml"
        );
        assert_eq!(file(&home, true, None), "/etc/mailferry/mailferry.toml");
    }

    #[test]
    fn xdg_directories_count_when_they_are_absolute() {
        let good = [
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_STATE_HOME", "/s"),
            ("HOME", "/h"),
        ];
        assert_eq!(file(&good, false, None), "/c/mailferry/mailferry.toml");
        let state = |variables: &[(&str, &str)], root| {
            Environment::new(variables.iter().copied(), root).state_dir()
        };
        assert_eq!(state(&good, false), Some("/s/mailferry".into()));
        assert_eq!(state(&good, true), Some("/var/lib/mailferry".into()));
        let relative = [("XDG_STATE_HOME", "s"), ("HOME", "/h")];
        assert_eq!(
            state(&relative, false),
            Some("/h/.local/state/mailferry".into())
        );
        assert_eq!(state(&[], false), None);
    }

    #[test]
    fn without_home_the_error_says_what_to_set() {
        let errors = Environment::new([], false).config_file(None).unwrap_err();
        assert!(errors.to_string().contains("--config FILE"), "{errors}");
    }
}
