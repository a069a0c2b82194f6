//! The one table of routes: the router, the `OpenAPI` document and the denial test are made from it.

mod table;

pub use table::ROUTES;

/// An HTTP method that a route has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or does.
    Post,
    /// Says the whole of how something is.
    Put,
    /// Changes a part.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody. The list of these may only shrink.
    Open,
    /// Whoever has the token that stands in the body.
    Token,
    /// A principal whose roles permit this action of the built-in bundle.
    Action(&'static str),
}

/// What a route takes as its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON of this schema.
    Json(&'static str),
    /// A definition as YAML or JSON.
    Definition,
    /// A bundle as JSON.
    Bundle,
    /// A compliance pack as JSON.
    Pack,
}

/// What a route answers when all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// JSON of this schema.
    Json(u16, &'static str),
    /// A page of this schema.
    Page(&'static str),
    /// Some JSON.
    AnyJson,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A receipt: JSON, or text where the caller asks for it.
    Receipt,
    /// An export, in the form that was asked for.
    Export,
    /// Nothing, 204.
    Empty,
}

/// A parameter in the query or a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Whether it is a header, else it is in the query.
    pub header: bool,
    /// Whether it is a whole number, else it is text.
    pub number: bool,
    /// Whether it must be there.
    pub required: bool,
    /// What it says.
    pub text: &'static str,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path: `{name}` is one segment, `{*name}` the rest.
    pub path: &'static str,
    /// What programs call it; unique.
    pub operation_id: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it takes besides its path.
    pub parameters: &'static [Parameter],
    /// Its body.
    pub body: Body,
    /// Its answer.
    pub answer: Answer,
}

impl Route {
    const fn new(method: Method, path: &'static str, operation_id: &'static str, access: Access) -> Self {
        Self {
            method,
            path,
            operation_id,
            summary: "",
            access,
            parameters: &[],
            body: Body::None,
            answer: Answer::Empty,
        }
    }

    const fn summary(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    const fn takes(self, body: Body) -> Self {
        Self { body, ..self }
    }

    const fn with(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    const fn gives(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// The names of the path's parameters, in order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| {
            let name = segment.strip_prefix('{')?.strip_suffix('}')?;
            Some(name.strip_prefix('*').unwrap_or(name))
        })
    }
}

/// The route with this operation id.
#[must_use]
pub fn find(operation_id: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.operation_id == operation_id)
}
