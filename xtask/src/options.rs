//! Options of the benches, `--name value`.

/// An option and the words behind it, one at least.
pub struct Given<'a> {
    /// With its dashes.
    pub name: &'a str,
    pub values: &'a [&'a str],
    usage: &'static str,
}

/// The options of a command line, in order.
pub fn options<'a>(
    arguments: &'a [&'a str],
    usage: &'static str,
) -> Result<Vec<Given<'a>>, String> {
    let mut given = Vec::new();
    let mut rest = arguments;
    while let &[name, ref behind @ ..] = rest {
        let is_value = |word: &&&str| !word.starts_with("--");
        let (values, next) = behind.split_at(behind.iter().take_while(is_value).count());
        if values.is_empty() {
            return Err(format!("{name}: a value is missing\n{usage}"));
        }
        given.push(Given {
            name,
            values,
            usage,
        });
        rest = next;
    }
    Ok(given)
}

impl<'a> Given<'a> {
    /// The value of an option that has one.
    pub fn value(&self) -> Result<&'a str, String> {
        match self.values {
            &[value] => Ok(value),
            _ => Err(format!("{self}: expected one value\n{}", self.usage)),
        }
    }

    pub fn number(&self) -> Result<usize, String> {
        match self.value()?.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{self}: expected a number from 1 on")),
        }
    }

    pub fn unknown<T>(&self) -> Result<T, String> {
        Err(format!("{self}: no such option\n{}", self.usage))
    }
}

impl std::fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.values.join(" "))
    }
}
