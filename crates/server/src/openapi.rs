//! The `OpenAPI` 3.1 document, made from the table of routes and the wire types.

use chancery_api::routes::{Access, Answer, Body, Parameter};
use chancery_api::{
    Method, Problem, ROUTES, Route, authzen, budget, bundle, capability, compliance, decision, definition, event,
    evidence, export, health, ledger, maintenance, notifier, open, over, principal, problem, queue, report, request,
    retention, schedule, settings, stop, target, tenant, transaction, worker,
};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, License, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Response,
    ResponseBuilder,
};

const BEARER: &str = "api_key";

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Chancery")
        .description(Some(DESCRIPTION))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(License::new("Apache-2.0")));
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("chk_<id>_<secret>").build();
    let mut components = ComponentsBuilder::new().security_scheme(BEARER, SecurityScheme::Http(scheme));
    for (name, schema) in schemas() {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new().info(info).paths(paths()).components(Some(components.build())).build()
}

/// The document as it is served and committed: JSON with a line end.
#[must_use]
pub fn text() -> String {
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

const DESCRIPTION: &str = "Business operations that must not stop half-way, must not run unauthorised, and must be \
    provable afterwards.\n\nErrors are problems (RFC 9457) whose `type` is `urn:chancery:problem:<slug>`. Lists are \
    keyset pages: hand `next` in as `cursor`. Numbers are within ±2^53; money is a whole number of minor units.";

fn paths() -> Paths {
    let mut paths = Paths::new();
    for route in ROUTES {
        let method = match route.method {
            Method::Get => HttpMethod::Get,
            Method::Post => HttpMethod::Post,
            Method::Put => HttpMethod::Put,
            Method::Patch => HttpMethod::Patch,
            Method::Delete => HttpMethod::Delete,
        };
        let item = PathItem::new(method, operation(route));
        // A path of the table may hold the rest of a path: the document has no word for it.
        let path = route.path.replace("{*", "{");
        match paths.paths.get_mut(&path) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.paths.insert(path, item);
            }
        }
    }
    paths
}

fn operation(route: &Route) -> OperationBuilder {
    let path = route.path_parameters().map(|name| {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(schema))
    });
    let others = route.parameters.iter().map(parameter);
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.operation_id))
        .summary(Some(route.summary))
        .tag(tag(route.path))
        .parameters(Some(path.chain(others).map(ParameterBuilder::build).collect::<Vec<_>>()))
        .request_body(request_body(route.body));
    let (status, answer) = response(route.answer);
    operation = operation.response(status, answer);
    if matches!(route.operation_id, "transaction_start" | "transaction_signal")
        || matches!(route.body, Body::Definition | Body::Bundle) && status == "201"
    {
        let (_, existing) = response(route.answer);
        operation =
            operation.response("200", ResponseBuilder::from(existing).description("It had been done before").build());
    }
    operation = operation.response("default", problem_response());
    match route.access {
        Access::Open => operation,
        Access::Token => operation.description(Some("Needs the token that stands in the body, and nothing else.")),
        Access::Action(action) => operation
            .description(Some(format!("Needs a role that permits `{action}`.")))
            .security(SecurityRequirement::new(BEARER, Vec::<String>::new())),
    }
}

/// What the path is about: its first segment that says something.
fn tag(path: &'static str) -> &'static str {
    path.split('/').find(|segment| !segment.is_empty() && *segment != "v1").unwrap_or("node")
}

fn parameter(parameter: &Parameter) -> ParameterBuilder {
    let kind = if parameter.number { Type::Integer } else { Type::String };
    let schema = ObjectBuilder::new().schema_type(kind);
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(if parameter.header { ParameterIn::Header } else { ParameterIn::Query })
        .required(if parameter.required { Required::True } else { Required::False })
        .description(Some(parameter.text))
        .schema(Some(schema))
}

fn request_body(body: Body) -> Option<RequestBody> {
    let any = || Content::new(Some(ObjectBuilder::new().schema_type(Type::Object)));
    let builder = RequestBodyBuilder::new().required(Some(Required::True));
    Some(match body {
        Body::None => return None,
        Body::Json(schema) => builder.content("application/json", reference(schema)).build(),
        Body::Definition => builder
            .description(Some("A definition"))
            .content("application/yaml", Content::new(Some(text_schema())))
            .content("application/json", any())
            .build(),
        Body::Bundle => builder.description(Some("A bundle")).content("application/json", any()).build(),
        Body::Pack => builder.description(Some("A compliance pack")).content("application/json", any()).build(),
    })
}

fn response(answer: Answer) -> (&'static str, Response) {
    let done = ResponseBuilder::new().description("It was done");
    match answer {
        Answer::Json(201, schema) => ("201", done.content("application/json", reference(schema)).build()),
        Answer::Json(_, schema) => ("200", done.content("application/json", reference(schema)).build()),
        Answer::Page(schema) => ("200", done.content("application/json", page(schema)).build()),
        Answer::AnyJson => ("200", done.content("application/json", Content::new(Some(ObjectBuilder::new()))).build()),
        Answer::Text => ("200", done.content("text/plain", Content::new(Some(text_schema()))).build()),
        Answer::Bytes => ("200", done.content("application/octet-stream", Content::new(Some(text_schema()))).build()),
        Answer::Receipt => {
            let json = Content::new(Some(ObjectBuilder::new().schema_type(Type::Object)));
            let done = done.content("application/json", json);
            ("200", done.content("text/plain", Content::new(Some(text_schema()))).build())
        }
        Answer::Export => {
            let types = ["application/jsonl", "text/csv", "text/markdown", "text/html"];
            let text = |done: ResponseBuilder, form| done.content(form, Content::new(Some(text_schema())));
            ("200", types.into_iter().fold(done, text).build())
        }
        Answer::Empty => ("204", done.build()),
    }
}

fn problem_response() -> Response {
    let problem = reference("Problem");
    ResponseBuilder::new().description("A problem (RFC 9457)").content(problem::MEDIA_TYPE, problem).build()
}

fn reference(schema: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(schema)))
}

fn page(schema: &str) -> Content {
    let items = ArrayBuilder::new().items(Ref::from_schema_name(schema));
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("items", items)
        .required("items")
        .property("next", text_schema().description(Some("The `cursor` of the next page; absent on the last one")));
    Content::new(Some(object))
}

fn text_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

type Schemas = Vec<(String, RefOr<Schema>)>;

fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// The wire types that routes name, and what they are made of.
fn schemas() -> BTreeMap<String, RefOr<Schema>> {
    let mut schemas = Schemas::new();
    for add in ADD {
        add(&mut schemas);
    }
    schemas.into_iter().collect()
}

/// The wire types that routes name.
const ADD: &[fn(&mut Schemas)] = &[
    add::<Problem>,
    add::<authzen::AccessActionSearch>,
    add::<authzen::AccessConfiguration>,
    add::<authzen::AccessDecision>,
    add::<authzen::AccessDecisions>,
    add::<authzen::AccessEvaluation>,
    add::<authzen::AccessEvaluations>,
    add::<authzen::AccessFound>,
    add::<authzen::AccessResourceSearch>,
    add::<authzen::AccessSubjectSearch>,
    add::<bundle::Activated>,
    add::<bundle::Bundle>,
    add::<bundle::AddSigner>,
    add::<bundle::BundleRules>,
    add::<bundle::BundleSignature>,
    add::<bundle::BundleSummary>,
    add::<bundle::Impact>,
    add::<bundle::NotReplayed>,
    add::<bundle::ReplayBundle>,
    add::<bundle::ReplayFlip>,
    add::<bundle::ReplayGroup>,
    add::<bundle::Replayed>,
    add::<bundle::SimulateBundle>,
    add::<bundle::WouldDeny>,
    add::<bundle::Signer>,
    add::<bundle::Simulated>,
    add::<bundle::Shadowed>,
    add::<capability::CapabilityKeys>,
    add::<capability::RevokedCapability>,
    add::<compliance::CompliancePack>,
    add::<compliance::ComplianceStatus>,
    add::<decision::Decide>,
    add::<decision::Decision>,
    add::<decision::DecisionOverridden>,
    add::<definition::Checked>,
    add::<definition::Definition>,
    add::<definition::DefinitionSummary>,
    add::<definition::Registered>,
    add::<event::Events>,
    add::<export::MakeExport>,
    add::<health::Health>,
    add::<ledger::ConsistencyProof>,
    add::<ledger::Entry>,
    add::<ledger::InclusionProof>,
    add::<ledger::Logs>,
    add::<maintenance::Maintenance>,
    add::<maintenance::SetMaintenance>,
    add::<open::OpenAbort>,
    add::<open::OpenAcknowledged>,
    add::<open::OpenCommit>,
    add::<open::OpenHeard>,
    add::<open::OpenHeartbeat>,
    add::<open::OpenOutcome>,
    add::<open::OpenResume>,
    add::<open::OpenResumed>,
    add::<open::OpenStep>,
    add::<open::OpenStepped>,
    add::<principal::ChangePrincipal>,
    add::<principal::CreatePrincipal>,
    add::<principal::IssueKey>,
    add::<principal::IssuedKey>,
    add::<principal::Key>,
    add::<principal::Principal>,
    add::<queue::Queue>,
    add::<queue::QueueSettings>,
    add::<request::AnswerRequest>,
    add::<request::DeferRequest>,
    add::<request::DelegateRequest>,
    add::<request::PeopleRequest>,
    add::<request::RequestAnswered>,
    add::<request::RequestDeferred>,
    add::<request::RequestDelegated>,
    add::<request::RequestSeen>,
    add::<request::SayRequest>,
    add::<report::AccessFinding>,
    add::<report::AccessRow>,
    add::<report::Duty>,
    add::<report::DutyPair>,
    add::<report::DutyPairs>,
    add::<report::OversightAnswers>,
    add::<report::OversightReport>,
    add::<report::OversightRequests>,
    add::<report::ResponsibilityGroup>,
    add::<report::ResponsibilityLevel>,
    add::<report::ResponsibilityReport>,
    add::<report::ResponsiblePerson>,
    add::<report::SeparationActual>,
    add::<report::SeparationPair>,
    add::<report::SeparationPotential>,
    add::<report::SeparationReport>,
    add::<retention::Retention>,
    add::<retention::SetRetention>,
    add::<queue::QueueVersion>,
    add::<schedule::Schedule>,
    add::<schedule::ScheduleNote>,
    add::<schedule::ScheduleTerms>,
    add::<schedule::TriggerSchedule>,
    add::<schedule::TriggeredSchedule>,
    add::<settings::SetSettings>,
    add::<settings::Settings>,
    add::<budget::Account>,
    add::<budget::Budget>,
    add::<budget::BudgetAccounts>,
    add::<budget::Measure>,
    add::<budget::SetBudget>,
    add::<evidence::AddEvidence>,
    add::<evidence::Evidence>,
    add::<notifier::Notifier>,
    add::<notifier::NotifierChannel>,
    add::<notifier::NotifierGivenUp>,
    add::<notifier::NotifierRetry>,
    add::<notifier::NotifierTested>,
    add::<notifier::NotifierTls>,
    add::<notifier::SetNotifier>,
    add::<over::Override>,
    add::<over::OverrideKind>,
    add::<over::OverrideResource>,
    add::<over::OverrideSaid>,
    add::<over::OverrideStatus>,
    add::<over::OverrideUsed>,
    add::<over::RequestOverride>,
    add::<stop::SetStop>,
    add::<stop::Stop>,
    add::<stop::StopKind>,
    add::<target::Callback>,
    add::<target::CalledBack>,
    add::<target::ForceBreaker>,
    add::<target::IssueSigningSecret>,
    add::<target::IssuedSigningSecret>,
    add::<target::SigningSecret>,
    add::<target::Target>,
    add::<target::TargetSettings>,
    add::<tenant::CreateTenant>,
    add::<tenant::CreatedTenant>,
    add::<transaction::Cancel>,
    add::<transaction::Justified>,
    add::<transaction::Resolve>,
    add::<transaction::ForkTransaction>,
    add::<transaction::ForkOf>,
    add::<transaction::SendSignal>,
    add::<transaction::SentSignal>,
    add::<transaction::AllAttempts>,
    add::<transaction::Fault>,
    add::<transaction::FaultAttempts>,
    add::<transaction::FaultKind>,
    add::<transaction::InjectedError>,
    add::<transaction::StartTransaction>,
    add::<transaction::StartedTransaction>,
    add::<transaction::Transaction>,
    add::<transaction::Bulk>,
    add::<transaction::BulkOperation>,
    add::<transaction::BulkResult>,
    add::<transaction::TransactionCount>,
    add::<transaction::TransactionState>,
    add::<transaction::TransactionSummary>,
    add::<worker::Exchange>,
    add::<worker::Exchanged>,
    add::<worker::RefusedQueue>,
];
