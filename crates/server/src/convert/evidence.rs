//! Evidence.

use crate::extract::invalid;
use crate::failure::Failure;
use chancery_api::evidence::{AddEvidence, Evidence};
use chancery_app::evidence::{Artefact, BoundTo, Evidence as View};
use chancery_base::duration;

pub(crate) fn artefact(body: AddEvidence) -> Result<Artefact, Failure> {
    let bound = match (body.transaction, body.step) {
        (Some(transaction), step) => Some(BoundTo { transaction, step }),
        (None, None) => None,
        (None, Some(_)) => return Err(invalid("step", "it takes the `transaction` whose step it is")),
    };
    let keep = body.keep.as_deref().map(duration::parse).transpose();
    Ok(Artefact {
        name: body.name,
        media_type: body.media_type,
        content: body.content.map(|content| content.0),
        digest: body.digest,
        link: body.link,
        keep: keep.map_err(|error| invalid("keep", &error.to_string()))?,
        bound,
    })
}

pub(crate) fn evidence(view: View) -> Evidence {
    let (transaction, step) = view.terms.bound.map_or((None, None), |bound| (Some(bound.transaction), bound.step));
    Evidence {
        id: view.id,
        name: view.terms.name,
        media_type: view.terms.media_type,
        digest: view.terms.digest,
        size: view.terms.size,
        link: view.terms.link,
        transaction,
        step,
        by: view.by,
        added_at: view.added_at,
        until: view.until,
    }
}
