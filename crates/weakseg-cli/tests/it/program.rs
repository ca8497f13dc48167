//! Runs the program in a folder of its own.

use std::path::PathBuf;
use std::process::Command;

/// A folder that goes with the test, and the program in it.
pub struct Program {
    folder: tempfile::TempDir,
}

/// How a call ended.
#[derive(Debug)]
pub struct End {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder for the test"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a name in the folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weakseg"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_BACKTRACE");
        command
    }

    pub fn call(&self, arguments: &[&str]) -> End {
        let output = self
            .command(arguments)
            .output()
            .expect("the program starts");
        let end = End {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text on stdout"),
            stderr: String::from_utf8(output.stderr).expect("text on stderr"),
        };
        assert!(
            !end.stderr.contains("panicked"),
            "{arguments:?}: {}",
            end.stderr
        );
        end
    }

    /// The code and stderr of a call whose stdout nobody reads.
    #[cfg(unix)]
    pub fn unread(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command(arguments);
        command.stdout(writer).stderr(std::process::Stdio::piped());
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("text on stderr");
        (output.status.code(), stderr)
    }

    /// The code and stdout of a call whose stderr nobody reads.
    #[cfg(unix)]
    pub fn unheard(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command(arguments);
        command.stderr(writer).stdout(std::process::Stdio::piped());
        let output = command.output().expect("the program starts");
        let stdout = String::from_utf8(output.stdout).expect("text on stdout");
        (output.status.code(), stdout)
    }

    /// A call that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> End {
        let end = self.call(arguments);
        assert_eq!(end.code, Some(0), "{arguments:?}: {end:?}");
        end
    }

    /// A call that must fail with this code and one `error:` on stderr that holds these words.
    pub fn fails(&self, code: i32, arguments: &[&str], words: &[&str]) -> End {
        let end = self.call(arguments);
        assert_eq!(end.code, Some(code), "{arguments:?}: {end:?}");
        assert_eq!(end.stdout, "", "{arguments:?}: nothing on stdout");
        assert_eq!(end.errors(), 1, "{arguments:?}: {}", end.stderr);
        for word in words {
            assert!(
                end.stderr.contains(word),
                "{arguments:?}: expected `{word}` in: {}",
                end.stderr
            );
        }
        end
    }
}

impl End {
    /// How many errors were told.
    pub fn errors(&self) -> usize {
        self.stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count()
    }

    /// Stdout as one JSON document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in {}", self.stdout))
    }
}

/// The keys of a JSON object, in alphabetical order.
pub fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}
