//! The functions that expressions may call.

/// A function or method; a method's receiver is its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Test(Test),
    Change(Change),
    Split,
    Join,
    Replace,
    ToInt,
    ToUint,
    ToDouble,
    ToText,
    ToBool,
    Dyn,
    TypeOf,
    OptionalOf,
    OptionalNone,
    OptionalOfNonZero,
    HasValue,
    Value,
    OrValue,
    Or,
}

/// Asks something of a text and another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Contains,
    StartsWith,
    EndsWith,
}

/// Makes a text of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    LowerAscii,
    UpperAscii,
    Trim,
}

/// How a function is called: its name, whether on a receiver, how many arguments with the receiver.
struct Signature {
    function: Function,
    name: &'static str,
    method: Option<bool>,
    arguments: &'static [usize],
}

const fn global(function: Function, name: &'static str, arguments: &'static [usize]) -> Signature {
    Signature { function, name, method: Some(false), arguments }
}

const fn method(function: Function, name: &'static str, arguments: &'static [usize]) -> Signature {
    Signature { function, name, method: Some(true), arguments }
}

const SIGNATURES: &[Signature] = &[
    Signature { function: Function::Size, name: "size", method: None, arguments: &[1] },
    method(Function::Test(Test::Contains), "contains", &[2]),
    method(Function::Test(Test::StartsWith), "startsWith", &[2]),
    method(Function::Test(Test::EndsWith), "endsWith", &[2]),
    method(Function::Change(Change::LowerAscii), "lowerAscii", &[1]),
    method(Function::Change(Change::UpperAscii), "upperAscii", &[1]),
    method(Function::Change(Change::Trim), "trim", &[1]),
    method(Function::Split, "split", &[2]),
    method(Function::Join, "join", &[1, 2]),
    method(Function::Replace, "replace", &[3]),
    global(Function::ToInt, "int", &[1]),
    global(Function::ToUint, "uint", &[1]),
    global(Function::ToDouble, "double", &[1]),
    global(Function::ToText, "string", &[1]),
    global(Function::ToBool, "bool", &[1]),
    global(Function::Dyn, "dyn", &[1]),
    global(Function::TypeOf, "type", &[1]),
    global(Function::OptionalOf, "optional.of", &[1]),
    global(Function::OptionalNone, "optional.none", &[0]),
    global(Function::OptionalOfNonZero, "optional.ofNonZeroValue", &[1]),
    method(Function::HasValue, "hasValue", &[1]),
    method(Function::Value, "value", &[1]),
    method(Function::OrValue, "orValue", &[2]),
    method(Function::Or, "or", &[2]),
];

/// Finds the function of a call; `arguments` counts the receiver.
///
/// # Errors
/// Says what is wrong with the call.
pub(crate) fn find(name: &str, is_method: bool, arguments: usize) -> Result<Function, String> {
    let mut named = SIGNATURES.iter().filter(|signature| signature.name == name).peekable();
    if named.peek().is_none() {
        return Err(format!("unknown function `{name}`"));
    }
    let Some(signature) = named.find(|signature| signature.method.is_none_or(|method| method == is_method)) else {
        return Err(if is_method {
            format!("`{name}` is called as `{name}(…)`")
        } else {
            format!("`{name}` is called on a value, as `value.{name}(…)`")
        });
    };
    if !signature.arguments.contains(&arguments) {
        let given = arguments - usize::from(is_method);
        return Err(format!("`{name}` does not take {given} arguments"));
    }
    Ok(signature.function)
}

/// The names of types, which are values of their own.
pub(crate) const TYPES: [&str; 9] = ["bool", "int", "uint", "double", "string", "list", "map", "null_type", "type"];

impl Function {
    pub(crate) fn name(self) -> &'static str {
        SIGNATURES.iter().find(|signature| signature.function == self).map_or("", |signature| signature.name)
    }

    /// Whether its value cannot be a boolean.
    pub(crate) const fn is_never_bool(self) -> bool {
        match self {
            Self::Size | Self::Change(_) | Self::Split | Self::Join | Self::Replace | Self::TypeOf => true,
            Self::ToInt | Self::ToUint | Self::ToDouble | Self::ToText => true,
            Self::Test(_) | Self::ToBool | Self::Dyn | Self::OptionalOf | Self::OptionalNone => false,
            Self::OptionalOfNonZero | Self::HasValue | Self::Value | Self::OrValue | Self::Or => false,
        }
    }
}
