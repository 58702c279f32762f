-- The audit trail: who asked for what, for whom, why and with what result.
-- Records are only ever added, each eUICC's hanging together by hashes; see
-- doc/audit.md.  A party that is refused what is none of its business has a chain
-- of its own for that: nobody else waits for its transactions.

CREATE SEQUENCE smsr.audit_position_seq;
COMMENT ON SEQUENCE smsr.audit_position_seq IS 'Order of the records of all chains; one that was rolled back leaves a gap';

CREATE TABLE smsr.audit_trail (
	eid smsr.eid,
	chain_party text,
	number int NOT NULL CHECK (number > 0),
	position bigint NOT NULL DEFAULT nextval('smsr.audit_position_seq'),
	recorded_at timestamptz NOT NULL CHECK (isfinite(recorded_at)),
	smsr_id text NOT NULL,
	operation_date timestamptz NOT NULL CHECK (isfinite(operation_date)),
	operation_type bytea NOT NULL CHECK (length(operation_type) = 2),
	function text,
	operation_id bigint,
	requester_id text,
	requested_by name,
	reason text,
	approved_by text,
	status text,
	subject_code text,
	reason_code text,
	isdp_aid smsr.aid,
	iccid smsr.iccid,
	imei text,
	meid text,
	details jsonb,
	hash bytea NOT NULL CHECK (length(hash) = 32),
	CHECK (eid IS NULL OR chain_party IS NULL)
) PARTITION BY RANGE (recorded_at);
CREATE TABLE smsr.audit_trail_default PARTITION OF smsr.audit_trail DEFAULT;
-- Indexes are each partition's own, as those of smsr.message are.
CREATE UNIQUE INDEX audit_trail_default_eid_number ON smsr.audit_trail_default (eid, number, chain_party) NULLS NOT DISTINCT;
CREATE INDEX audit_trail_default_position ON smsr.audit_trail_default USING brin (position, recorded_at) WITH (autosummarize = on);
COMMENT ON TABLE smsr.audit_trail IS 'AuditTrail of the EIS (SGP.02 Annex E) and of this SM-SR: one record an operation, refusal or notification; only ever inserted into, never deleted with the eUICC';
COMMENT ON TABLE smsr.audit_trail_default IS 'Records of a time for which no partition was made';
COMMENT ON COLUMN smsr.audit_trail.eid IS 'NULL: a record of the chain of chain_party, or of the SM-SR itself';
COMMENT ON COLUMN smsr.audit_trail.chain_party IS 'OID of the party whose chain it is; NULL: the eUICC''s, or that of the SM-SR itself';
COMMENT ON COLUMN smsr.audit_trail.number IS 'Place in its chain, from 1 without a gap';
COMMENT ON COLUMN smsr.audit_trail.position IS 'Place among the records of all chains; what checkpoints count by';
COMMENT ON COLUMN smsr.audit_trail.operation_date IS 'When it happened; before recorded_at for records that came with an EIS';
COMMENT ON COLUMN smsr.audit_trail.operation_type IS 'Two octets: 0100 CreateISDP .. 0900 FinaliseISDRhandover, or a notification''s type in the low one';
COMMENT ON COLUMN smsr.audit_trail.requester_id IS 'For whom: OID of the party';
COMMENT ON COLUMN smsr.audit_trail.requested_by IS 'Who: the database role';
COMMENT ON COLUMN smsr.audit_trail.reason IS 'Why: reason or ticket that was given with the call (smsr.reason)';
COMMENT ON COLUMN smsr.audit_trail.hash IS 'SHA-256 over the hash of the record before it in the chain, number and digest of this one; that of the first is its digest';

CREATE TABLE smsr.audit_head (
	eid smsr.eid,
	chain_party text,
	number int NOT NULL,
	hash bytea NOT NULL CHECK (length(hash) = 32),
	recorded_at timestamptz NOT NULL,
	UNIQUE NULLS NOT DISTINCT (eid, chain_party),
	CHECK (eid IS NULL OR chain_party IS NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE smsr.audit_head IS 'The last record of each chain: what the next one hangs on, and who writes it waits for';
COMMENT ON COLUMN smsr.audit_head.eid IS 'NULL: the chain of chain_party, or if that is NULL, too, of the SM-SR itself';

CREATE FUNCTION smsr.append_only() RETURNS trigger
	AS 'MODULE_PATHNAME', 'smsr_append_only'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION smsr.append_only() IS 'Refuses what it fires for; with the argument forward, a row may be changed to a higher number';

-- Triggers bind the owner, too, and fire whatever session_replication_role is.
-- Row triggers are made on each partition, those on TRUNCATE must be.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON smsr.audit_trail
	FOR EACH ROW EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.audit_trail ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.audit_trail
	EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.audit_trail ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.audit_trail_default
	EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.audit_trail_default ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON smsr.audit_head
	FOR EACH ROW EXECUTE FUNCTION smsr.append_only('forward');
ALTER TABLE smsr.audit_head ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON smsr.audit_head
	EXECUTE FUNCTION smsr.append_only();
ALTER TABLE smsr.audit_head ENABLE ALWAYS TRIGGER append_only_truncate;
COMMENT ON TRIGGER append_only ON smsr.audit_trail IS 'No record is changed or deleted';
COMMENT ON TRIGGER append_only ON smsr.audit_trail_default IS 'No record is changed or deleted';
COMMENT ON TRIGGER append_only_truncate ON smsr.audit_trail IS 'No record is deleted';
COMMENT ON TRIGGER append_only_truncate ON smsr.audit_trail_default IS 'No record is deleted';
COMMENT ON TRIGGER append_only ON smsr.audit_head IS 'A chain only becomes longer';
COMMENT ON TRIGGER append_only_truncate ON smsr.audit_head IS 'A chain only becomes longer';

CREATE FUNCTION smsr.audit_digest(record smsr.audit_trail) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_audit_digest'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION smsr.audit_digest(smsr.audit_trail) IS 'SHA-256 over what a record says, without its place (number, position, hash); doc/audit.md has the octets';

CREATE FUNCTION smsr.audit_link(previous bytea, number int, digest bytea) RETURNS bytea
	AS 'MODULE_PATHNAME', 'smsr_audit_link'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION smsr.audit_link(bytea, int, bytea) IS 'Hash of a record: its digest if it is the first, else SHA-256 over the hash before it, its number and its digest; NULL if that hash is missing';

CREATE FUNCTION smsr.audit_prepared(records smsr.audit_trail[], defaults smsr.audit_trail) RETURNS smsr.audit_trail[]
	AS 'MODULE_PATHNAME', 'smsr_audit_prepared'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.audit_prepared(smsr.audit_trail[], smsr.audit_trail)
	IS 'Records in order of their chains, with what was NULL filled in, recorded_at in any case; chain_party of those without eid is what defaults have (who calls), else their requester, and NULL if that is this SM-SR. number counts each chain''s from 1 and hash is the digest';

CREATE FUNCTION smsr.audit_linked(prepared smsr.audit_trail[], heads smsr.audit_head[]) RETURNS smsr.audit_trail[]
	AS 'MODULE_PATHNAME', 'smsr_audit_linked'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION smsr.audit_linked(smsr.audit_trail[], smsr.audit_head[])
	IS 'Prepared records with their numbers and hashes; heads are what the first record of each chain has become, in the same order';

-- Bodies of standard SQL: parsed once, whatever the search path is, and no call for
-- each of many records.
CREATE FUNCTION smsr.operation_type(function text) RETURNS bytea
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE operation_type.function
				WHEN 'create_isdp' THEN '\x0100'::bytea
				WHEN 'enable_profile' THEN '\x0200'::bytea
				WHEN 'disable_profile' THEN '\x0300'::bytea
				WHEN 'delete_profile' THEN '\x0400'::bytea
				WHEN 'audit_eis' THEN '\x0500'::bytea
				WHEN 'master_delete' THEN '\x0600'::bytea
				WHEN 'set_fallback_attribute' THEN '\x0700'::bytea
				WHEN 'create_additional_key_set' THEN '\x0800'::bytea
				WHEN 'establish_psk' THEN '\x0800'::bytea
				WHEN 'finalise_handover' THEN '\x0900'::bytea
				-- functions of the SM-SR alone have no code of SGP.02's: FF and one of ours
				WHEN 'profile_download_completed' THEN '\xff01'::bytea
				WHEN 'update_policy_rules' THEN '\xff02'::bytea
				WHEN 'update_subscription_address' THEN '\xff03'::bytea
				WHEN 'register_eis' THEN '\xff04'::bytea
				-- nor have these, as far as is known
				WHEN 'update_smsr_addressing' THEN '\xff05'::bytea
				WHEN 'set_emergency_profile_attribute' THEN '\xff06'::bytea
				WHEN 'update_eis_additional_properties' THEN '\xff07'::bytea
				WHEN 'unset_emergency_profile_attribute' THEN '\xff08'::bytea
				WHEN 'update_connectivity_parameters' THEN '\xff09'::bytea
				WHEN 'smsr_change' THEN '\xff0a'::bytea
				WHEN 'prepare_smsr_change' THEN '\xff0b'::bytea
				WHEN 'handover_euicc' THEN '\xff0c'::bytea
				WHEN 'authenticate_smsr' THEN '\xff0d'::bytea
				WHEN 'import_own_certificate' THEN '\xff0e'::bytea
				WHEN 'send_data' THEN '\xff0f'::bytea
				-- of the SM-SR alone, about parties and authority
				WHEN 'get_eis' THEN '\xff10'::bytea
				WHEN 'register_party' THEN '\xff11'::bytea
				WHEN 'bind_role' THEN '\xff12'::bytea
				WHEN 'unbind_role' THEN '\xff13'::bytea
				WHEN 'pin_eid_range' THEN '\xff14'::bytea
				WHEN 'unpin_eid_range' THEN '\xff15'::bytea
				WHEN 'set_plma' THEN '\xff16'::bytea
				WHEN 'get_plma' THEN '\xff17'::bytea
				WHEN 'set_onc' THEN '\xff18'::bytea
				WHEN 'get_onc' THEN '\xff19'::bytea
				WHEN 'ask_approval' THEN '\xff1a'::bytea
				WHEN 'approve' THEN '\xff1b'::bytea
				WHEN 'reject' THEN '\xff1c'::bytea
				WHEN 'set_approval_rule' THEN '\xff1d'::bytea
				WHEN 'remove_approval_rule' THEN '\xff1e'::bytea
				WHEN 'set_gateway_limit' THEN '\xff1f'::bytea
				WHEN 'set_tenant_share' THEN '\xff23'::bytea
				-- of the SM-SR alone, about platforms
				WHEN 'manage_platform' THEN '\xff24'::bytea
				WHEN 'update_platform' THEN '\xff25'::bytea
				WHEN 'load_platform_package' THEN '\xff26'::bytea
				WHEN 'withdraw_platform_package' THEN '\xff27'::bytea
				-- of the SM-SR alone, about card keys
				WHEN 'rotate_keys' THEN '\xff30'::bytea
				WHEN 'keyset_state' THEN '\xff31'::bytea
				WHEN 'mark_keyset' THEN '\xff32'::bytea
				WHEN 'compromise_keys' THEN '\xff33'::bytea
				-- what parties are shown
				WHEN 'audited_eis' THEN '\xff20'::bytea
				WHEN 'operation_response' THEN '\xff21'::bytea
				WHEN 'eis_at' THEN '\xff22'::bytea
				-- campaigns
				WHEN 'create_campaign' THEN '\xff50'::bytea
				WHEN 'start_campaign' THEN '\xff51'::bytea
				WHEN 'pause_campaign' THEN '\xff52'::bytea
				WHEN 'resume_campaign' THEN '\xff53'::bytea
				WHEN 'cancel_campaign' THEN '\xff54'::bytea
				WHEN 'halt_campaign' THEN '\xff55'::bytea
				WHEN 'end_campaign' THEN '\xff56'::bytea
				WHEN 'forget_campaign' THEN '\xff57'::bytea
				-- what is done to keys
				WHEN 'create_storage_key' THEN '\xff40'::bytea
				WHEN 'rewrap_storage_keys' THEN '\xff41'::bytea
				WHEN 'reseal_keys' THEN '\xff42'::bytea
				WHEN 'destroy_storage_key' THEN '\xff43'::bytea
				WHEN 'import_transport_key' THEN '\xff44'::bytea
				WHEN 'import_transport_key_file' THEN '\xff45'::bytea
				WHEN 'begin_key_ceremony' THEN '\xff46'::bytea
				WHEN 'enter_key_component' THEN '\xff47'::bytea
				WHEN 'end_key_ceremony' THEN '\xff48'::bytea
				WHEN 'import_master_key' THEN '\xff49'::bytea
				WHEN 'import_master_key_file' THEN '\xff4a'::bytea
				WHEN 'destroy_master_key' THEN '\xff4b'::bytea
				WHEN 'import_keys' THEN '\xff4c'::bytea
				WHEN 'advance_counters' THEN '\xff4d'::bytea
				WHEN 'expire_transport_key' THEN '\xff4e'::bytea
				-- between shards
				WHEN 'move_out' THEN '\xff70'::bytea
				WHEN 'move_in' THEN '\xff71'::bytea
				WHEN 'move_cancel' THEN '\xff72'::bytea
				-- how long things are kept
				WHEN 'drop_history' THEN '\xff60'::bytea
				WHEN 'drop_audit_trail' THEN '\xff61'::bytea
				WHEN 'prune_notices' THEN '\xff62'::bytea
				ELSE '\xffff'::bytea
			END;
COMMENT ON FUNCTION smsr.operation_type(text) IS 'OperationType of an audit trail record (SGP.02 Annex E); FFxx for functions that have none there';

CREATE FUNCTION smsr.audit_entry(p_eid smsr.eid, p_function text, p_operation_id bigint DEFAULT NULL,
		p_requester text DEFAULT NULL, p_status text DEFAULT NULL, p_subject text DEFAULT NULL,
		p_reason_code text DEFAULT NULL, p_isdp_aid smsr.aid DEFAULT NULL, p_iccid smsr.iccid DEFAULT NULL,
		p_details jsonb DEFAULT NULL, p_operation_type bytea DEFAULT NULL,
		p_imei text DEFAULT NULL, p_meid text DEFAULT NULL, p_requested_by name DEFAULT NULL,
		p_reason text DEFAULT NULL, p_approved_by text DEFAULT NULL) RETURNS smsr.audit_trail
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN (p_eid, NULL, NULL, NULL, NULL, NULL, NULL, coalesce(p_operation_type, smsr.operation_type(p_function)),
		p_function, p_operation_id, p_requester, p_requested_by, p_reason, p_approved_by, p_status, p_subject,
		p_reason_code, p_isdp_aid, p_iccid, p_imei, p_meid, p_details, NULL)::smsr.audit_trail;
COMMENT ON FUNCTION smsr.audit_entry(smsr.eid, text, bigint, text, text, text, text, smsr.aid, smsr.iccid, jsonb, bytea, text, text, name, text, text)
	IS 'A record for smsr.record_audit() over several; what it leaves NULL is filled in there';

-- The upsert of the head makes whoever records in the same chain wait; all take
-- their chains in order of (eid, chain_party), NULL last, so that no two wait for
-- each other.  Whose chain it is without an eid: that of the party that calls, for
-- it is its transaction that holds the head.
CREATE FUNCTION smsr.record_audit(records smsr.audit_trail[]) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		defaults smsr.audit_trail;
		heads smsr.audit_head[];
		ready smsr.audit_trail[];
	BEGIN
		IF coalesce(cardinality(records), 0) = 0 THEN
			RETURN;
		END IF;
		defaults.recorded_at := clock_timestamp();
		defaults.operation_date := defaults.recorded_at;
		defaults.smsr_id := smsr.setting('smsr_id');
		defaults.requested_by := smsr.caller();
		defaults.chain_party := smsr.requester();
		defaults.reason := nullif(smsr.setting('reason'), '');
		ready := smsr.audit_prepared(records, defaults);
		WITH head AS (
			INSERT INTO smsr.audit_head AS h (eid, chain_party, number, hash, recorded_at)
			SELECT r.eid, r.chain_party, 1, r.hash, r.recorded_at FROM unnest(ready) r WHERE r.number = 1
			ON CONFLICT (eid, chain_party) DO UPDATE SET number = h.number + 1,
				hash = smsr.audit_link(h.hash, h.number + 1, excluded.hash), recorded_at = excluded.recorded_at
			RETURNING h.eid, h.chain_party, h.number, h.hash, h.recorded_at
		)
		SELECT array_agg((head.eid, head.chain_party, head.number, head.hash, head.recorded_at)::smsr.audit_head) INTO heads FROM head;
		ready := smsr.audit_linked(ready, heads);
		INSERT INTO smsr.audit_trail (eid, chain_party, number, recorded_at, smsr_id, operation_date, operation_type, function,
				operation_id, requester_id, requested_by, reason, approved_by, status, subject_code, reason_code,
				isdp_aid, iccid, imei, meid, details, hash)
			SELECT r.eid, r.chain_party, r.number, r.recorded_at, r.smsr_id, r.operation_date, r.operation_type, r.function,
				r.operation_id, r.requester_id, r.requested_by, r.reason, r.approved_by, r.status, r.subject_code, r.reason_code,
				r.isdp_aid, r.iccid, r.imei, r.meid, r.details, r.hash
			FROM unnest(ready) r;
		-- where a chain got several the head is still at the first
		IF cardinality(heads) < cardinality(ready) THEN
			INSERT INTO smsr.audit_head AS h (eid, chain_party, number, hash, recorded_at)
			SELECT DISTINCT ON (r.eid, r.chain_party) r.eid, r.chain_party, r.number, r.hash, r.recorded_at
				FROM unnest(ready) r ORDER BY r.eid, r.chain_party, r.number DESC
			ON CONFLICT (eid, chain_party) DO UPDATE SET number = excluded.number, hash = excluded.hash
				WHERE h.number < excluded.number;
		END IF;
	END $$;
COMMENT ON FUNCTION smsr.record_audit(smsr.audit_trail[])
	IS 'Add records to the audit trail, those of one chain in the order given. chain_party, recorded_at, number, position and hash are given here; smsr_id, operation_date, requested_by and reason where they are NULL';

CREATE FUNCTION smsr.record_audit(p_eid smsr.eid, p_function text, p_operation_id bigint DEFAULT NULL,
		p_requester text DEFAULT NULL, p_status text DEFAULT NULL, p_subject text DEFAULT NULL,
		p_reason_code text DEFAULT NULL, p_isdp_aid smsr.aid DEFAULT NULL, p_iccid smsr.iccid DEFAULT NULL,
		p_details jsonb DEFAULT NULL, p_operation_type bytea DEFAULT NULL,
		p_imei text DEFAULT NULL, p_meid text DEFAULT NULL, p_requested_by name DEFAULT NULL,
		p_reason text DEFAULT NULL, p_approved_by text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, smsr, pg_temp
	AS $$
	DECLARE
		r smsr.audit_trail;
		at timestamptz := clock_timestamp();
		own CONSTANT text := smsr.setting('smsr_id');
		digest bytea;
	BEGIN
		r := (p_eid, CASE WHEN p_eid IS NULL THEN nullif(coalesce(smsr.requester(), p_requester), own) END,
			NULL, NULL, at, own, at,
			coalesce(p_operation_type, smsr.operation_type(p_function)),
			p_function, p_operation_id, p_requester, coalesce(p_requested_by, smsr.caller()),
			coalesce(p_reason, nullif(smsr.setting('reason'), '')), p_approved_by, p_status, p_subject,
			p_reason_code, p_isdp_aid, p_iccid, p_imei, p_meid, p_details, NULL);
		digest := smsr.audit_digest(r);
		INSERT INTO smsr.audit_head AS h (eid, chain_party, number, hash, recorded_at) VALUES (p_eid, r.chain_party, 1, digest, at)
			ON CONFLICT (eid, chain_party) DO UPDATE SET number = h.number + 1,
				hash = smsr.audit_link(h.hash, h.number + 1, excluded.hash), recorded_at = excluded.recorded_at
			RETURNING h.number, h.hash INTO r.number, r.hash;
		INSERT INTO smsr.audit_trail (eid, chain_party, number, recorded_at, smsr_id, operation_date, operation_type, function,
				operation_id, requester_id, requested_by, reason, approved_by, status, subject_code, reason_code,
				isdp_aid, iccid, imei, meid, details, hash)
			VALUES (r.eid, r.chain_party, r.number, r.recorded_at, r.smsr_id, r.operation_date, r.operation_type, r.function,
				r.operation_id, r.requester_id, r.requested_by, r.reason, r.approved_by, r.status, r.subject_code, r.reason_code,
				r.isdp_aid, r.iccid, r.imei, r.meid, r.details, r.hash);
	END $$;
COMMENT ON FUNCTION smsr.record_audit(smsr.eid, text, bigint, text, text, text, text, smsr.aid, smsr.iccid, jsonb, bytea, text, text, name, text, text)
	IS 'Add one record to the audit trail';
