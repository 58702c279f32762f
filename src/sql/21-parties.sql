-- The parties, the roles that act for them, and what they have granted each other.

CREATE TABLE smsr.party (
	oid text PRIMARY KEY CHECK (oid ~ '^[0-2](\.(0|[1-9][0-9]*))+$'),
	kind text NOT NULL CHECK (kind IN ('EUM', 'SM-DP', 'MNO', 'M2M-SP', 'SM-SR')),
	name text NOT NULL,
	registered_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE smsr.party IS 'Who this SM-SR deals with: EUMs, SM-DPs, operators, M2M service providers and peer SM-SRs';
COMMENT ON COLUMN smsr.party.oid IS 'Object identifier that names the party in ES messages (SGP.02 Annex B)';

CREATE TABLE smsr.party_role (
	role_name name PRIMARY KEY,
	party_id text NOT NULL REFERENCES smsr.party ON DELETE CASCADE,
	bound_at timestamptz NOT NULL DEFAULT now(),
	bound_by name NOT NULL
);
CREATE INDEX party_role_party ON smsr.party_role (party_id);
COMMENT ON TABLE smsr.party_role IS 'Which database roles act for a party; by name, because a dump must carry it: unbind a role before it is dropped';

CREATE TABLE smsr.eid_range (
	first smsr.eid NOT NULL,
	last smsr.eid NOT NULL,
	party_id text NOT NULL REFERENCES smsr.party ON DELETE CASCADE,
	PRIMARY KEY (first, last, party_id),
	CHECK (first OPERATOR(pg_catalog.<=) last)
);
COMMENT ON TABLE smsr.eid_range IS 'EIDs that are for some parties alone: to every other operator and SM-DP an eUICC in a range is not there';

CREATE FUNCTION smsr.plma_ok(functions text[]) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	-- never update_policy_rules (SGP.02 v4, PLMA)
	RETURN functions OPERATOR(pg_catalog.<@) ARRAY['get_eis', 'audit_eis', 'enable_profile', 'disable_profile', 'delete_profile',
		'set_fallback_attribute', 'unset_fallback_attribute', 'set_emergency_profile_attribute',
		'unset_emergency_profile_attribute', 'update_subscription_address'];
COMMENT ON FUNCTION smsr.plma_ok(text[]) IS 'Whether each element is a function that a PLMA can authorise';

CREATE TABLE smsr.plma (
	mno_id text NOT NULL,
	m2m_sp_id text NOT NULL,
	profile_type text NOT NULL,
	authorised text[] NOT NULL CHECK (smsr.plma_ok(authorised)),
	notifications smsr.notice_kind[] NOT NULL,
	set_at timestamptz NOT NULL DEFAULT now(),
	set_by name,
	PRIMARY KEY (mno_id, m2m_sp_id, profile_type)
);
CREATE INDEX plma_m2m_sp ON smsr.plma (m2m_sp_id);
COMMENT ON TABLE smsr.plma IS 'Profile Lifecycle Management Authorisations: what an operator lets a party do with its profiles of a type, and which notices that party gets (SGP.02 v3.2 on, ES4A)';
COMMENT ON COLUMN smsr.plma.m2m_sp_id IS 'Who is authorised: an M2M service provider, or another operator that may take over the fall-back or emergency attribute';
COMMENT ON COLUMN smsr.plma.authorised IS 'Functions, by the names that they have here';

CREATE TABLE smsr.onc (
	mno_id text NOT NULL,
	profile_type text NOT NULL,
	discarded smsr.notice_kind[] NOT NULL,
	set_at timestamptz NOT NULL DEFAULT now(),
	set_by name,
	PRIMARY KEY (mno_id, profile_type)
);
COMMENT ON TABLE smsr.onc IS 'Operator Notifications Configuration: notices about profiles of a type that their operator does not want (SGP.02 v3.2 on, ES4A)';

CREATE FUNCTION smsr.caller() RETURNS name
	AS 'MODULE_PATHNAME', 'smsr_caller'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION smsr.caller() IS 'The role in force for whoever calls, also within SECURITY DEFINER functions; NULL where the server runs the code of a table''s owner on somebody else''s account';

CREATE FUNCTION smsr.is_administrator(role_name name) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN (SELECT r.rolsuper
				OR r.oid = (SELECT e.extowner FROM pg_extension e WHERE e.extname = 'smsr')
				OR coalesce(pg_has_role(r.oid, (SELECT a.oid FROM pg_roles a WHERE a.rolname = 'smsr_administrator'), 'USAGE'), false)
			FROM pg_roles r WHERE r.rolname = is_administrator.role_name);
	END $$;
COMMENT ON FUNCTION smsr.is_administrator(name) IS 'Whether a role acts for this SM-SR itself: a superuser, the extension''s owner, or a member of smsr_administrator';

CREATE FUNCTION smsr.requester() RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me name := smsr.caller();
		party text;
	BEGIN
		SELECT r.party_id INTO party FROM smsr.party_role r WHERE r.role_name = me;
		IF FOUND THEN
			RETURN party;
		END IF;
		RETURN CASE WHEN smsr.is_administrator(me) THEN smsr.setting('smsr_id') END;
	END $$;
COMMENT ON FUNCTION smsr.requester() IS 'OID of the party that calls: the one bound to the role in force, this SM-SR for its administrators, else NULL: nobody';

CREATE FUNCTION smsr.require_requester() RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		me text := smsr.requester();
	BEGIN
		IF me IS NULL THEN
			RAISE EXCEPTION 'role "%" acts for no party', coalesce(smsr.caller(), 'none')
				USING ERRCODE = 'insufficient_privilege',
					HINT = 'An administrator binds roles to parties with smsr.bind_role().';
		END IF;
		RETURN me;
	END $$;
COMMENT ON FUNCTION smsr.require_requester() IS 'smsr.requester(), or an error for a caller that acts for no party';

-- Key officers act for this SM-SR in what is about card keys, and in nothing else.
CREATE FUNCTION smsr.require_caller(function text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		IF function IN ('rotate_keys', 'mark_keyset', 'compromise_keys', 'establish_psk') AND smsr.requester() IS NULL
			AND (SELECT pg_has_role(smsr.caller(), r.oid, 'USAGE') FROM pg_roles r WHERE r.rolname = 'smsr_key_officer') THEN
			RETURN smsr.setting('smsr_id');
		END IF;
		RETURN smsr.require_requester();
	END $$;
COMMENT ON FUNCTION smsr.require_caller(text) IS 'smsr.requester(), or this SM-SR for a key officer who calls a function about card keys; an error for a caller that acts for no party';

CREATE FUNCTION smsr.party_kind(party text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	BEGIN
		RETURN CASE WHEN party = smsr.setting('smsr_id') THEN 'OWN'
			ELSE (SELECT p.kind FROM smsr.party p WHERE p.oid = party_kind.party) END;
	END $$;
COMMENT ON FUNCTION smsr.party_kind(text) IS 'EUM, SM-DP, MNO, M2M-SP or SM-SR; OWN for this SM-SR itself; NULL for an OID that nobody has';
