//! The policies of a bundle by what they can apply to.
//!
//! Cedar evaluates every policy of the set that it is given. The index keeps, for each environment (action, principal
//! type, resource type) that the schema allows, the policies whose scope can hold in it, and among these finds at once
//! those that name the principal, the resource or something that they are in, such as a role. What is handed to Cedar
//! gives the answer that the full set gives; policies left out have a scope that is false.

use cedar_policy::entities_errors::EntitiesError;
use cedar_policy::{
    ActionConstraint, Authorizer, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint, Schema,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

/// What Cedar says of a request, before errors deny. Each list is ordered by policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    permits: BTreeSet<PolicyId>,
    forbids: BTreeSet<PolicyId>,
    errors: BTreeMap<PolicyId, String>,
}

impl Answer {
    /// Cedar's decision: a permit applies and no forbid does. Policies that erred count as if they were not there.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.forbids.is_empty() && !self.permits.is_empty()
    }

    /// The policies that determined the decision: the forbids that apply, or if there is none the permits.
    #[must_use]
    pub fn reasons(&self) -> &BTreeSet<PolicyId> {
        if self.forbids.is_empty() { &self.permits } else { &self.forbids }
    }

    /// The policies that erred, and how.
    #[must_use]
    pub const fn errors(&self) -> &BTreeMap<PolicyId, String> {
        &self.errors
    }
}

/// Policies by (action, principal type, resource type), and in each by the entities that their scopes name.
#[derive(Debug)]
pub struct Index {
    authorizer: Authorizer,
    policies: PolicySet,
    environments: HashMap<EntityUid, HashMap<EntityTypeName, HashMap<EntityTypeName, Environment>>>,
    actions: Entities,
}

/// One environment; its slice is built when it is first asked for, since most of a large schema's never are.
#[derive(Debug, Default)]
struct Environment {
    slice: OnceLock<Slice>,
}

/// The policies whose scope can hold in one environment, by the principal and the resource that they name.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    any_principal: ByResource,
    by_principal: HashMap<EntityUid, ByResource>,
    /// Every entity that a policy of the slice names.
    pub(crate) literals: BTreeSet<EntityUid>,
    /// What of the bundle's entities every decision in this environment needs.
    pub(crate) base: OnceLock<crate::bundle::Base>,
}

#[derive(Debug, Default)]
struct ByResource {
    any_resource: PolicySet,
    by_resource: HashMap<EntityUid, PolicySet>,
}

/// What a scope asks of a principal or resource.
enum Scope {
    Any,
    Type(EntityTypeName),
    /// Equal to it or in it; and of the type, if one is given.
    Entity(EntityUid, Option<EntityTypeName>),
}

impl Index {
    /// Indexes static policies for the environments that a schema allows.
    ///
    /// # Errors
    /// If the schema's actions do not make a hierarchy; Cedar's schemas always do.
    pub fn new(policies: PolicySet, schema: &Schema) -> Result<Self, Box<EntitiesError>> {
        let actions = schema.action_entities().map_err(Box::new)?;
        let mut environments: HashMap<_, HashMap<_, HashMap<_, _>>> = HashMap::new();
        for environment in schema.request_envs() {
            let by_principal = environments.entry(environment.action().clone()).or_default();
            let by_resource: &mut HashMap<_, _> = by_principal.entry(environment.principal().clone()).or_default();
            by_resource.insert(environment.resource().clone(), Environment::default());
        }
        Ok(Self { authorizer: Authorizer::new(), policies, environments, actions })
    }

    /// All policies.
    #[must_use]
    pub const fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// Whether the schema allows a request of this form.
    #[must_use]
    pub fn has_environment(&self, action: &EntityUid, principal: &EntityTypeName, resource: &EntityTypeName) -> bool {
        self.environment(action, principal, resource).is_some()
    }

    /// What Cedar says of the request, given the policies that can apply. A request of a form that the schema does not
    /// allow is put to all policies.
    #[must_use]
    pub fn evaluate(&self, request: &Request, entities: &Entities) -> Answer {
        match (request.action(), request.principal(), request.resource()) {
            (Some(action), Some(principal), Some(resource)) => {
                match self.slice(action, principal.type_name(), resource.type_name()) {
                    Some(slice) => self.evaluate_in(slice, request, entities),
                    None => self.evaluate_all(request, entities),
                }
            }
            _ => self.evaluate_all(request, entities),
        }
    }

    /// [`Index::evaluate`], for a caller who has the slice already.
    pub(crate) fn evaluate_in(&self, slice: &Slice, request: &Request, entities: &Entities) -> Answer {
        let mut answer = Answer::default();
        if let (Some(principal), Some(resource)) = (request.principal(), request.resource()) {
            for policies in slice.select(principal, resource, entities) {
                self.ask(request, policies, entities, &mut answer);
            }
        }
        // As Cedar does over one set: where a forbid applies, permits are not named.
        if !answer.forbids.is_empty() {
            answer.permits.clear();
        }
        answer
    }

    /// What Cedar says of the request, given all policies: what [`Index::evaluate`] must equal.
    #[must_use]
    pub fn evaluate_all(&self, request: &Request, entities: &Entities) -> Answer {
        let mut answer = Answer::default();
        self.ask(request, &self.policies, entities, &mut answer);
        answer
    }

    fn ask(&self, request: &Request, policies: &PolicySet, entities: &Entities, answer: &mut Answer) {
        if policies.is_empty() {
            return;
        }
        let response = self.authorizer.is_authorized(request, policies, entities);
        for id in response.diagnostics().reason() {
            match policies.policy(id).map(Policy::effect) {
                Some(Effect::Permit) => answer.permits.insert(id.clone()),
                Some(Effect::Forbid) | None => answer.forbids.insert(id.clone()),
            };
        }
        for error in response.diagnostics().errors() {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(failure) = error;
            answer.errors.insert(failure.policy_id().clone(), crate::chain(failure.inner()));
        }
    }

    fn environment(
        &self,
        action: &EntityUid,
        principal: &EntityTypeName,
        resource: &EntityTypeName,
    ) -> Option<&Environment> {
        self.environments.get(action)?.get(principal)?.get(resource)
    }

    pub(crate) fn slice(
        &self,
        action: &EntityUid,
        principal: &EntityTypeName,
        resource: &EntityTypeName,
    ) -> Option<&Slice> {
        let environment = self.environment(action, principal, resource)?;
        Some(environment.slice.get_or_init(|| self.build(action, principal, resource)))
    }

    fn build(&self, action: &EntityUid, principal: &EntityTypeName, resource: &EntityTypeName) -> Slice {
        let mut slice = Slice::default();
        for policy in self.policies.policies() {
            let (by_principal, by_resource) = (principal_scope(policy), resource_scope(policy));
            if self.has_action(policy, action) && by_principal.can_be(principal) && by_resource.can_be(resource) {
                slice.literals.extend(policy.entity_literals());
                slice.add(policy, by_principal.entity(), by_resource.entity());
            }
        }
        slice
    }

    /// Whether the scope of a policy has this action.
    pub(crate) fn has_action(&self, policy: &Policy, action: &EntityUid) -> bool {
        match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(only) => only == *action,
            ActionConstraint::In(groups) => {
                groups.iter().any(|group| group == action || self.actions.is_ancestor_of(group, action))
            }
        }
    }

    /// An action's entity and its groups'.
    pub(crate) fn action_entities(&self, action: &EntityUid) -> Vec<cedar_policy::Entity> {
        let groups = self.actions.ancestors(action).into_iter().flatten();
        [action].into_iter().chain(groups).filter_map(|uid| self.actions.get(uid).cloned()).collect()
    }
}

impl Slice {
    fn add(&mut self, policy: &Policy, principal: Option<EntityUid>, resource: Option<EntityUid>) {
        let row = match principal {
            Some(principal) => self.by_principal.entry(principal).or_default(),
            None => &mut self.any_principal,
        };
        let cell = match resource {
            Some(resource) => row.by_resource.entry(resource).or_default(),
            None => &mut row.any_resource,
        };
        // INVARIANT: ids are unique in the set that this policy comes from, so that adding one cannot fail.
        let added = cell.add(policy.clone());
        debug_assert!(added.is_ok(), "policy {} stands twice", policy.id());
    }

    /// The policies that name nothing else than what the principal and the resource are or are in.
    fn select<'a>(
        &'a self,
        principal: &EntityUid,
        resource: &EntityUid,
        entities: &Entities,
    ) -> impl Iterator<Item = &'a PolicySet> {
        let mut selected = Vec::with_capacity(4);
        self.any_principal.select(resource, entities, &mut selected);
        if !self.by_principal.is_empty() {
            for named in [principal].into_iter().chain(entities.ancestors(principal).into_iter().flatten()) {
                if let Some(row) = self.by_principal.get(named) {
                    row.select(resource, entities, &mut selected);
                }
            }
        }
        selected.into_iter()
    }
}

impl ByResource {
    fn select<'a>(&'a self, resource: &EntityUid, entities: &Entities, selected: &mut Vec<&'a PolicySet>) {
        selected.push(&self.any_resource);
        if self.by_resource.is_empty() {
            return;
        }
        let named = [resource].into_iter().chain(entities.ancestors(resource).into_iter().flatten());
        selected.extend(named.filter_map(|named| self.by_resource.get(named)));
    }
}

impl Scope {
    fn can_be(&self, kind: &EntityTypeName) -> bool {
        match self {
            Self::Any | Self::Entity(_, None) => true,
            Self::Type(only) | Self::Entity(_, Some(only)) => only == kind,
        }
    }

    fn entity(self) -> Option<EntityUid> {
        match self {
            Self::Any | Self::Type(_) => None,
            Self::Entity(uid, _) => Some(uid),
        }
    }
}

fn principal_scope(policy: &Policy) -> Scope {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => Scope::Any,
        PrincipalConstraint::Is(kind) => Scope::Type(kind),
        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) => Scope::Entity(uid, None),
        PrincipalConstraint::IsIn(kind, uid) => Scope::Entity(uid, Some(kind)),
    }
}

fn resource_scope(policy: &Policy) -> Scope {
    match policy.resource_constraint() {
        ResourceConstraint::Any => Scope::Any,
        ResourceConstraint::Is(kind) => Scope::Type(kind),
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) => Scope::Entity(uid, None),
        ResourceConstraint::IsIn(kind, uid) => Scope::Entity(uid, Some(kind)),
    }
}
