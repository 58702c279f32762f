-- Every function that is granted, times everybody who might call it, times
-- whose eUICC it is about: who is refused, with which subject and reason, and
-- that the refusal stands in the audit trail.  What is expected is worked out
-- from the two tables of rules below, which know nothing of core's.  A function
-- without a row in the first one fails the suite.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on

BEGIN;
SELECT no_plan();

SET client_min_messages = error;
SELECT smsr.install_roles();
CREATE SCHEMA matrix;
SET search_path = matrix, public;

-- ---- who calls ----

CREATE TABLE actor (name text PRIMARY KEY, role_name name NOT NULL, member_of name, kind text, party_id text);
INSERT INTO actor
	SELECT v.name, 'smsr_pgtap_' || v.name, v.member_of, v.kind, CASE WHEN v.kind IS NOT NULL THEN '1.3.6.1.4.1.99999.200.' || row_number() OVER () END
	FROM (VALUES
		('eum', 'smsr_tenant', 'EUM'),
		('smdp', 'smsr_tenant', 'SM-DP'),
		('mno', 'smsr_tenant', 'MNO'),
		('m2m', 'smsr_tenant', 'M2M-SP'),				-- a PLMA over everything of mno's
		('m2m_little', 'smsr_tenant', 'M2M-SP'),		-- a PLMA over get_eis
		('m2m_none', 'smsr_tenant', 'M2M-SP'),
		('peer', 'smsr_tenant', 'SM-SR'),
		('nobody', 'smsr_tenant', NULL),				-- may call, and acts for no party
		('stranger', NULL, NULL),
		('administrator', 'smsr_administrator', NULL),
		('gateway', 'smsr_gateway', NULL),
		('auditor', 'smsr_auditor', NULL),
		('key_officer', 'smsr_key_officer', NULL)) AS v (name, member_of, kind);
DO $$
DECLARE
	a actor;
BEGIN
	FOR a IN SELECT * FROM actor LOOP
		EXECUTE format('CREATE ROLE %I', a.role_name);
		IF a.kind IS NOT NULL THEN
			PERFORM smsr.register_party(a.party_id, a.kind, a.name, a.role_name);
		ELSIF a.member_of IS NOT NULL THEN
			EXECUTE format('GRANT %I TO %I', a.member_of, a.role_name);
		END IF;
	END LOOP;
END $$;
UPDATE actor SET party_id = smsr.setting('smsr_id') WHERE name IN ('administrator', 'key_officer');
SELECT smsr.register_party('1.3.6.1.4.1.99999.200.99', 'MNO', 'another operator');

-- ---- about what ----

-- Of each eUICC three profiles, one a state, so that every function finds one
-- that it may be called on.
CREATE TABLE object (name text PRIMARY KEY, n int, eid smsr.eid, registered boolean, mine boolean);
INSERT INTO object
	SELECT v.name, v.n, d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0'), v.registered, v.mine
	FROM (VALUES
		('own', 1, true, true),
		('shared', 1, true, true),			-- the eUICC is the caller's business, the profile is another's
		('foreign', 2, true, false),
		('unknown', 3, false, false),
		('pinned', 4, true, true)) AS v (name, n, registered, mine),		-- would be the caller's, but is pinned to another operator
		LATERAL (SELECT '890010120123412340' || lpad(v.n::text, 12, '0')) AS d (d);

CREATE FUNCTION party(actor text) RETURNS text LANGUAGE sql AS $$ SELECT a.party_id FROM matrix.actor a WHERE a.name = $1 $$;
CREATE FUNCTION aid(n int) RETURNS smsr.aid LANGUAGE sql AS $$
	SELECT ('A0000005591010FFFFFFFF89' || lpad(upper(to_hex(n)), 6, '0') || '00')::smsr.aid
$$;
CREATE FUNCTION iccid(object text, state text) RETURNS smsr.iccid LANGUAGE sql AS $$
	SELECT ('89440000000000' || o.n || position(left(state, 1) IN 'CDE') || CASE $1 WHEN 'shared' THEN '2' ELSE '1' END || '00')::smsr.iccid
	FROM matrix.object o WHERE o.name = $1
$$;

INSERT INTO smsr.euicc (eid, eum_id, smsr_id, production_date, platform_type, platform_version,
	isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, http_support,
	secure_packet_version, remote_provisioning_version, remaining_memory, available_memory)
SELECT DISTINCT ON (o.eid) o.eid, CASE WHEN o.mine THEN party('eum') ELSE '1.3.6.1.4.1.99999.200.98' END, smsr.setting('smsr_id'), now(), 'type', '1.0',
	aid(13), aid(14), aid(1), false, false, '12.0.0', '3.2.0', 500000, 500000
FROM object o WHERE o.registered;
INSERT INTO smsr.profile (eid, isdp_aid, iccid, mno_id, smdp_id, profile_type, state)
SELECT o.eid, aid(CASE o.name WHEN 'shared' THEN 32 ELSE 16 END + s.n::int), iccid(o.name, s.state),
	CASE WHEN o.mine AND o.name <> 'shared' THEN party('mno') ELSE '1.3.6.1.4.1.99999.200.99' END,
	CASE WHEN o.mine AND o.name <> 'shared' THEN party('smdp') ELSE '1.3.6.1.4.1.99999.200.97' END,
	CASE WHEN o.mine AND o.name <> 'shared' THEN 'meter' ELSE 'car' END, s.state
FROM object o, unnest(ARRAY['Created', 'Disabled', 'Enabled']) WITH ORDINALITY AS s (state, n)
WHERE o.registered AND (o.name <> 'shared' OR s.state <> 'Enabled');
-- one of an eUICC's has the emergency attribute
UPDATE smsr.profile p SET emergency_attribute = true
FROM object o WHERE o.registered AND o.name <> 'shared' AND p.eid = o.eid AND p.iccid = iccid(o.name, 'Created');
SELECT smsr.pin_eid_range(eid, eid, '1.3.6.1.4.1.99999.200.99') FROM object WHERE name = 'pinned';
INSERT INTO smsr.plma (mno_id, m2m_sp_id, profile_type, authorised, notifications) VALUES
	(party('mno'), party('m2m'), 'meter', '{get_eis,audit_eis,enable_profile,disable_profile,delete_profile,set_fallback_attribute,
		set_emergency_profile_attribute,unset_emergency_profile_attribute,update_subscription_address}', '{}'),
	(party('mno'), party('m2m_little'), 'meter', '{get_eis}', '{}'),
	('1.3.6.1.4.1.99999.200.99', party('m2m_none'), 'another type', '{get_eis,enable_profile}', '{}');

-- ---- the functions: how each is called, and which rules it goes by ----

-- $1 the EID, $2 the ICCID of a profile in that state, $3 the operator's OID,
-- $4 the EUM's; the audit trail has some under another name
CREATE TABLE entry (function name NOT NULL, rules text NOT NULL, state text, call text NOT NULL, recorded_as name);
INSERT INTO entry (function, rules, state, call) VALUES
	('enable_profile', 'profile', 'Disabled', 'smsr.enable_profile($1, $2)'),
	('disable_profile', 'profile', 'Enabled', 'smsr.disable_profile($1, $2)'),
	('delete_profile', 'profile', 'Disabled', 'smsr.delete_profile($1, $2)'),
	('set_fallback_attribute', 'profile', 'Disabled', 'smsr.set_fallback_attribute($1, $2)'),
	('set_emergency_profile_attribute', 'profile', 'Disabled', 'smsr.set_emergency_profile_attribute($1, $2)'),
	('unset_emergency_profile_attribute', 'profile', 'Created', 'smsr.unset_emergency_profile_attribute($1, $2)'),
	('update_subscription_address', 'profile', 'Disabled', 'smsr.update_subscription_address($1, $2, ''4917'')'),
	('profile_download_completed', 'maker', 'Created', 'smsr.profile_download_completed($1, $2)'),
	('update_connectivity_parameters', 'maker', 'Disabled', 'smsr.update_connectivity_parameters($1, $2, ''\x8500'')'),
	-- the ISD-P is that of the profile: aid() and iccid() above
	('send_data', 'maker by AID', 'Created', 'smsr.send_data($1, smsr.isdp_aid(CASE substr($2::text, 17, 1) WHEN ''2'' THEN 32 ELSE 16 END + substr($2::text, 16, 1)::int), ''\x8500'')'),
	('update_policy_rules', 'rules', 'Disabled', 'smsr.update_policy_rules($1, $2, ''{}'')'),
	('register_eis', 'maker''s', NULL, 'smsr.register_eis(format(''<EIS><EumId>%s</EumId></EIS>'', $4)::xml)'),
	('register_eis', 'not the maker''s', NULL, 'smsr.register_eis(''<EIS><EumId>1.3.6.1.4.1.99999.200.98</EumId></EIS>'')'),
	('register_eis', 'not the maker''s', NULL, 'smsr.register_eis(format(''<EIS><EumId>%s</EumId><EumId>1.3.6.1.4.1.99999.200.98</EumId></EIS>'', $4)::xml)'),
	('create_isdp', 'create', NULL, 'smsr.create_isdp($1, ''8944000000000009999'', $3, 1000)'),
	('audit_eis', 'audit', NULL, 'smsr.audit_eis($1)'),
	('update_eis_additional_properties', 'eum', NULL, 'smsr.update_eis_additional_properties($1, ''{"colour": "red"}'')'),
	('explain_policy', 'whoever', 'Disabled', 'smsr.explain_policy($1, $2, ''enable_profile'')'),
	('get_eis', 'view', NULL, 'smsr.get_eis($1)'),
	('eis_at', 'view', NULL, 'smsr.eis_at($1, now())'),
	('audited_eis', 'result', NULL, 'smsr.audited_eis(1)'),
	('operation_response', 'result', NULL, 'smsr.operation_response(1)'),
	('set_plma', 'operator', NULL, 'smsr.set_plma(''1.3.6.1.4.1.99999.200.99'', ''meter'', ''{get_eis}'', mno_id => $3)'),
	('set_onc', 'operator', NULL, 'smsr.set_onc(''meter'', ''{}'', mno_id => $3)'),
	('get_onc', 'operator', NULL, 'smsr.get_onc()'),
	('get_plma', 'plma', NULL, 'smsr.get_plma()'),
	('fetch_notices', 'notices', NULL, 'smsr.fetch_notices()'),
	('ack_notices', 'notices', NULL, 'smsr.ack_notices(0)'),
	('notice_channel', 'notices', NULL, 'smsr.notice_channel()'),
	('approve', 'approval', NULL, 'smsr.approve(1)'),
	('reject', 'approval', NULL, 'smsr.reject(1)'),
	('master_delete', 'administrator', 'Disabled', 'smsr.master_delete($1, $2, ''\x01'', ''\x02'', ''\x03'', ''\x04'', ''\x05'')'),
	('update_smsr_addressing', 'administrator', NULL, 'smsr.update_smsr_addressing($1, ''+4917'')'),
	('manage_platform', 'administrator', NULL, 'smsr.manage_platform($1, ''{"\\x80CA00E000"}'')'),
	('update_platform', 'administrator', NULL, 'smsr.update_platform($1, smsr.load_platform_package(''1.3.6.1.4.1.99999.200.1'', ''p'', ''1'', ''{"\\x220580CA00E000"}''))'),
	('resume_platform_update', 'administrator', NULL, 'smsr.resume_platform_update($1, 1, 1)'),
	('load_platform_package', 'administrator', NULL, 'smsr.load_platform_package($4, ''p'', ''1'', ''{"\\x220580CA00E000"}'')'),
	('withdraw_platform_package', 'administrator', NULL, 'smsr.withdraw_platform_package(''\x00'')'),
	('rotate_keys', 'keys', NULL, 'smsr.rotate_keys($1)'),
	('mark_keyset', 'administrator key_officer', NULL, 'smsr.mark_keyset($1, 1, ''revoked'', ''x'')'),
	('establish_psk', 'psk', NULL, 'smsr.establish_psk($1)'),
	('compromise_keys', 'administrator key_officer', NULL, 'smsr.compromise_keys(ARRAY[$1], ''x'')'),
	('register_inbox', 'administrator', NULL, 'smsr.register_inbox()'),
	('verify_eis', 'administrator', NULL, 'smsr.verify_eis(ARRAY[$1])'),
	('unstick', 'administrator', NULL, 'smsr.unstick(1)'),
	('maintain', 'administrator', NULL, 'smsr.maintain(1)'),
	('drop_history', 'administrator', NULL, 'smsr.drop_history(''message'', ''2020-01-01'')'),
	('drop_audit_trail', 'administrator', NULL, 'smsr.drop_audit_trail(''2020-01-01'')'),
	('take_checkpoint', 'administrator', NULL, 'smsr.take_checkpoint()'),
	('audit_verify', 'administrator auditor', NULL, 'smsr.audit_verify()'),
	('fleet_query', 'administrator auditor', NULL, 'smsr.fleet_query(''SELECT 1 AS one'')'),
	('verify_checkpoint', 'administrator auditor', NULL, 'smsr.verify_checkpoint(''{}'')'),
	('register_party', 'administrator', NULL, 'smsr.register_party(''1.3.6.1.4.1.99999.200.96'', ''MNO'', ''new'')'),
	('bind_role', 'administrator', NULL, 'smsr.bind_role($3, ''smsr_pgtap_stranger'')'),
	('unbind_role', 'administrator', NULL, 'smsr.unbind_role(''smsr_pgtap_eum'')'),
	('pin_eid_range', 'administrator', NULL, 'smsr.pin_eid_range($1, $1, $3)'),
	('unpin_eid_range', 'administrator', NULL, 'smsr.unpin_eid_range($1, $1, $3)'),
	('set_approval_rule', 'administrator', NULL, 'smsr.set_approval_rule(''enable_profile'', ''smsr_auditor'')'),
	('remove_approval_rule', 'administrator', NULL, 'smsr.remove_approval_rule(''enable_profile'', ''smsr_auditor'')'),
	('set_gateway_limit', 'administrator', NULL, 'smsr.set_gateway_limit(''gateway'', 10)'),
	('set_tenant_share', 'administrator', NULL, 'smsr.set_tenant_share($3, 2)'),
	('advance_counters', 'administrator key_officer', NULL, 'smsr.advance_counters()'),
	('create_storage_key', 'key_officer', NULL, 'smsr.create_storage_key()'),
	('rewrap_storage_keys', 'key_officer', NULL, 'smsr.rewrap_storage_keys()'),
	('reseal_keys', 'key_officer', NULL, 'smsr.reseal_keys()'),
	('destroy_storage_key', 'key_officer', NULL, 'smsr.destroy_storage_key(1)'),
	('import_transport_key', 'key_officer', NULL, 'smsr.import_transport_key(''1.3.6.1.4.1.99999.200.98'', ''none'')'),
	('trust_ci', 'key_officer', NULL, 'smsr.trust_ci(''\x00'')'),
	('trust_eum', 'key_officer', NULL, 'smsr.trust_eum($4, ''\x00'')'),
	('distrust', 'key_officer', NULL, 'smsr.distrust(''\x00'')'),
	('import_transport_key_file', 'key_officer', NULL, 'smsr.import_transport_key_file(''1.3.6.1.4.1.99999.200.98'', ''aes-kw'', ''/nowhere'')'),
	('expire_transport_key', 'key_officer', NULL, 'smsr.expire_transport_key(''1.3.6.1.4.1.99999.200.98'', 1::smallint)'),
	('begin_key_ceremony', 'key_officer', NULL, 'smsr.begin_key_ceremony(''1.3.6.1.4.1.99999.200.98'', ''aes-kw'', 2, ''\x010203'')'),
	('begin_master_key_ceremony', 'key_officer', NULL, 'smsr.begin_master_key_ceremony(''m'', ''kdf3'', 2, ''\x010203'')'),
	('enter_key_component', 'key_officer', NULL, 'smsr.enter_key_component(1, ''/nowhere'')'),
	('abort_key_ceremony', 'key_officer', NULL, 'smsr.abort_key_ceremony(1)'),
	('import_master_key', 'key_officer', NULL, 'smsr.import_master_key(''m'', ''kdf3'', ''\x00'', ''\x010203'')'),
	('import_master_key_file', 'key_officer', NULL, 'smsr.import_master_key_file(''m'', ''kdf3'', ''/nowhere'')'),
	('destroy_master_key', 'key_officer', NULL, 'smsr.destroy_master_key(''m'')'),
	('import_keys', 'key_officer', NULL, 'smsr.import_keys()'),
	('check_key_values', 'auditor key_officer', NULL, 'smsr.check_key_values()'),
	('key_evidence', 'auditor key_officer', NULL, 'smsr.key_evidence()'),
	('keystore_status', 'administrator auditor key_officer', NULL, 'smsr.keystore_status()'),
	('sealed_under', 'administrator auditor key_officer', NULL, 'smsr.sealed_under(1)'),
	-- a view that stands on it
	('sealed_under', 'administrator auditor key_officer', NULL, '(SELECT sum(u.key_sets) FROM smsr.storage_key_use AS u)'),
	('create_campaign', 'cohort', 'Disabled', 'smsr.create_campaign(''c'', ''enable_profile'', format(''SELECT %L AS eid, %L AS iccid'', $1, $2))'),
	('create_campaign', 'cohort of keys', NULL, 'smsr.create_campaign(''c'', ''rotate_keys'', format(''SELECT %L AS eid'', $1))'),
	-- there is none, and another's looks the same
	('start_campaign', 'eum smdp mno m2m m2m_little m2m_none peer administrator', NULL, 'smsr.start_campaign(1)'),
	('pause_campaign', 'eum smdp mno m2m m2m_little m2m_none peer administrator', NULL, 'smsr.pause_campaign(1)'),
	('resume_campaign', 'eum smdp mno m2m m2m_little m2m_none peer administrator', NULL, 'smsr.resume_campaign(1)'),
	('cancel_campaign', 'eum smdp mno m2m m2m_little m2m_none peer administrator', NULL, 'smsr.cancel_campaign(1)'),
	('forget_campaign', 'administrator', NULL, 'smsr.forget_campaign(1)'),
	('rehearse', 'eum smdp mno m2m m2m_little m2m_none peer administrator', NULL, 'smsr.rehearse(1)'),
	('rerun_campaign', 'eum smdp mno m2m m2m_little m2m_none peer administrator', NULL, 'smsr.rerun_campaign(1, ''again'')'),
	('undo_campaign', 'eum smdp mno m2m m2m_little m2m_none peer administrator', NULL, 'smsr.undo_campaign(1, ''back'')'),
	('prepare_smsr_change', 'prepare', NULL, 'smsr.prepare_smsr_change($1, ''1.3.6.1.4.1.99999.200.98'')'),
	('prepare_smsr_change', 'prepare', NULL, 'smsr.prepare_smsr_change(ARRAY[$1], ''1.3.6.1.4.1.99999.200.98'')'),
	('smsr_change', 'change', NULL, 'smsr.smsr_change($1, ''1.3.6.1.4.1.99999.200.98'')'),
	('smsr_change', 'change', NULL, 'smsr.smsr_change(ARRAY[$1], ''1.3.6.1.4.1.99999.200.98'')'),
	('handover_euicc', 'offer', NULL, 'smsr.handover_euicc($1, ''<Eis/>'')'),
	('authenticate_smsr', 'handed', NULL, 'smsr.authenticate_smsr($1, ''\x7f2100'')'),
	('create_additional_key_set', 'handed', NULL, 'smsr.create_additional_key_set($1, 3, 0, ''ECC-256'', 8, NULL, ''\x04'', ''\x00'')'),
	('peer_answer', 'asked', NULL, 'smsr.peer_answer($1, 1)'),
	('plan_handover', 'administrator', NULL, 'smsr.plan_handover(ARRAY[$1], ''1.2.3'')'),
	('finalise_handover', 'administrator', NULL, 'smsr.finalise_handover($1)'),
	('claim_peer_messages', 'gateway', NULL, 'smsr.claim_peer_messages(''carrier'', 1)'),
	('receive_peer_message', 'gateway', NULL, 'smsr.receive_peer_message(''1.3.6.1.4.1.99999.200.98'', ''{}'')'),
	('receive_peer_messages', 'gateway', NULL, 'smsr.receive_peer_messages(''1.3.6.1.4.1.99999.200.98'', ''{"{}"}'')'),
	('claim_sms', 'gateway', NULL, 'smsr.claim_sms(''gateway'', 1)'),
	('sms_submitted', 'gateway', NULL, 'smsr.sms_submitted(''{32}'', ''{x}'')'),
	('sms_refused', 'gateway', NULL, 'smsr.sms_refused(32, ''x'', true)'),
	('release_sms', 'gateway', NULL, 'smsr.release_sms(''{32}'')'),
	('sms_delivery_report', 'gateway', NULL, 'smsr.sms_delivery_report(''x'', ''DELIVRD'')'),
	('receive_sms', 'gateway', NULL, 'smsr.receive_sms(''49'', ''\x0271''::bytea)'),
	('receive_sms', 'gateway', NULL, 'smsr.receive_sms(ARRAY[''49''], ARRAY[''\x0271''::bytea])'),
	('https_psk', 'gateway', NULL, 'smsr.https_psk(''x'')'),
	('https_request', 'gateway', NULL, 'smsr.https_request(''x'', ''POST'', ''/'', ''{}'', NULL)'),
	('https_next', 'gateway', NULL, 'smsr.https_next(''x'', ''x'', ''x'')'),
	('https_closed', 'gateway', NULL, 'smsr.https_closed(''x'', ''x'', ''x'', ''x'')'),
	('tick', 'gateway', NULL, 'smsr.tick()');
INSERT INTO entry (function, rules, state, call, recorded_as) VALUES
	('request', 'profile', 'Disabled', 'smsr.request(''enable_profile'', ARRAY[$1], ARRAY[$2])', 'enable_profile'),
	('request', 'own', 'Disabled', 'smsr.request(''update_smsr_addressing'', ARRAY[$1], arguments => ''{"{\"sms_address\": \"+4917\"}"}'')', 'update_smsr_addressing'),
	('request', 'keys asked', NULL, 'smsr.request(''rotate_keys'', ARRAY[$1])', 'rotate_keys'),
	('register_many', 'maker''s', NULL, 'smsr.register_many(ARRAY[format(''<EIS><EumId>%s</EumId></EIS>'', $4)::xml])', 'register_eis'),
	('register_many', 'not the maker''s', NULL, 'smsr.register_many(''{<EIS><EumId>1.3.6.1.4.1.99999.200.98</EumId></EIS>}'')', 'register_eis'),
	('delete_isdp', 'profile', 'Disabled', 'smsr.delete_isdp($1, $2)', 'delete_profile');
-- what policies and views of tenants ask: of the caller alone, so it has no object and is nobody's secret
CREATE TABLE not_entry (function name);
INSERT INTO not_entry VALUES ('requester'), ('plma_operators'), ('plma_profiles'), ('pinned_eids'), ('hidden_eids');

-- ---- the rules ----

-- Subject and reason by object; "-" is allowed.  1.1 1.2: not for this kind of party.
-- What is not the caller's business looks like what is not there: 8.1.1 3.9, 8.2.1 3.9.
CREATE TABLE rule (rules text, actors text, own text, shared text, "foreign" text, unknown text, pinned text);
INSERT INTO rule VALUES
	('profile', 'smdp', '-', '8.2.1 3.9', '8.2.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('profile', 'mno m2m', '-', '8.2.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('profile', 'm2m_little', '8.2.1 1.2', '8.2.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('profile', 'm2m_none', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('profile', 'eum peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('profile', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	('maker', 'smdp', '-', '8.2.1 3.9', '8.2.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('maker', 'mno m2m m2m_little m2m_none eum peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('maker', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	('maker by AID', 'smdp', '-', '8.3.1 3.9', '8.3.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('maker by AID', 'mno m2m m2m_little m2m_none eum peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('maker by AID', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	('rules', 'smdp', '-', '8.2.1 3.9', '8.2.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('rules', 'mno', '-', '8.2.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('rules', 'm2m m2m_little m2m_none eum peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('rules', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	('create', 'smdp', '-', '-', '-', '8.1.1 3.9', '8.1.1 3.9'),
	('create', 'mno m2m m2m_little m2m_none eum peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('create', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	('audit', 'smdp', '-', '-', '8.1 1.2', '8.1.1 3.9', '8.1.1 3.9'),
	('audit', 'mno', '-', '-', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('audit', 'm2m', '-', '-', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('audit', 'm2m_little', '8.1 1.2', '8.1 1.2', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('audit', 'm2m_none', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('audit', 'eum peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('audit', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	-- an SM-DP looks before it makes anything there
	('view', 'smdp', '-', '-', '-', '8.1.1 3.9', '8.1.1 3.9'),
	('view', 'mno m2m m2m_little', '-', '-', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('view', 'm2m_none', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('view', 'eum peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('view', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	-- an EUM made the eUICC, whoever it is pinned to
	('eum', 'eum', '-', '-', '8.1.1 3.9', '8.1.1 3.9', '-'),
	('eum', 'smdp mno m2m m2m_little m2m_none peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('eum', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	('own', 'eum smdp mno m2m m2m_little m2m_none peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('own', 'administrator', '-', '-', '-', '8.1.1 3.9', '-'),
	-- the change of SM-SR, with one that nobody knows
	('prepare', 'mno', '8.7 3.9', '8.7 3.9', '8.7 3.9', '8.7 3.9', '8.7 3.9'),
	('prepare', 'eum smdp m2m m2m_little m2m_none peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('prepare', 'administrator', '8.7 3.9', '8.7 3.9', '8.7 3.9', '8.7 3.9', '8.7 3.9'),
	('change', 'mno', '8.7 3.9', '8.7 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('change', 'eum smdp m2m m2m_little m2m_none peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('change', 'administrator', '8.7 3.9', '8.7 3.9', '8.7 3.9', '8.1.1 3.9', '8.7 3.9'),
	-- a peer is answered; no eUICC here is being handed over to it
	('offer', 'peer', '-', '-', '-', '-', '-'),
	('offer', 'eum smdp mno m2m m2m_little m2m_none', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	('handed', 'peer', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9', '8.1.1 3.9'),
	('handed', 'eum smdp mno m2m m2m_little m2m_none', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	-- whoever asked no question has no answer
	('asked', 'eum smdp mno m2m m2m_little m2m_none peer', '-', '-', '-', '-', '-'),
	-- these have no key set to begin with, but whoever is told so was let in
	('keys', 'administrator key_officer', '8.4 3.9', '8.4 3.9', '8.4 3.9', '8.1.1 3.9', '8.4 3.9'),
	-- nor has this SM-SR a certificate to show them
	('psk', 'administrator key_officer', '8.5.3 3.7', '8.5.3 3.7', '8.5.3 3.7', '8.1.1 3.9', '8.5.3 3.7'),
	('keys asked', 'administrator key_officer', '8.4 3.9', '8.4 3.9', '8.4 3.9', '8.1.1 3.9', '8.4 3.9'),
	('keys asked', 'eum smdp mno m2m m2m_little m2m_none peer', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2', '1.1 1.2'),
	-- what is none of his business makes no cohort; what he may not do there is refused when it is released
	('cohort', 'smdp mno m2m m2m_little', '-', 'error', 'error', 'error', 'error'),
	('cohort', 'm2m_none eum peer', 'error', 'error', 'error', 'error', 'error'),
	('cohort', 'administrator', '-', '-', '-', 'may call', '-'),
	('cohort of keys', 'administrator key_officer', '-', '-', '-', 'may call', '-'),
	('cohort of keys', 'eum smdp mno m2m m2m_little m2m_none peer', 'error', 'error', 'error', 'error', 'error'),
	-- it answers everybody, and each with what a call would be told
	('whoever', 'eum smdp mno m2m m2m_little m2m_none peer administrator', '-', '-', '-', '-', '-');
-- about no eUICC
INSERT INTO rule (rules, actors, own) VALUES
	('maker''s', 'eum administrator', 'may call'),
	('maker''s', 'smdp mno m2m m2m_little m2m_none peer', '1.1 1.2'),
	('not the maker''s', 'eum', '8.1 1.2'),
	('not the maker''s', 'administrator', 'may call'),
	('not the maker''s', 'smdp mno m2m m2m_little m2m_none peer', '1.1 1.2'),
	('operator', 'mno administrator', '-'),
	('operator', 'eum smdp m2m m2m_little m2m_none peer', '1.1 1.2'),
	('plma', 'mno m2m m2m_little m2m_none administrator', '-'),
	('plma', 'eum smdp peer', '1.1 1.2'),
	('notices', 'eum smdp mno m2m m2m_little m2m_none peer', '-'),
	('notices', 'administrator', 'error'),
	-- there is no such operation, and another's looks the same
	('result', 'eum smdp mno m2m m2m_little m2m_none peer administrator', '1.6 3.9'),
	-- none waits for anybody's yes: whoever asks is told nothing else
	('approval', 'eum smdp mno m2m m2m_little m2m_none peer administrator key_officer', 'error');

-- Who calls what he has no rule for, and who acts for nobody, meets an error; so
-- does whoever calls what is for administrators, gateways or key officers.
CREATE FUNCTION expected(e entry, by text, about text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(
		(SELECT CASE about WHEN 'own' THEN r.own WHEN 'shared' THEN r.shared WHEN 'foreign' THEN r."foreign"
				WHEN 'unknown' THEN r.unknown ELSE r.pinned END
			FROM rule r WHERE r.rules = e.rules AND by = ANY (string_to_array(r.actors, ' '))),
		CASE WHEN by = ANY (string_to_array(e.rules, ' ')) THEN 'may call' ELSE 'error' END)
$$;

-- Calls it as that actor, says what came of it, and takes it back.
CREATE FUNCTION outcome(e entry, a actor, o object) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	last bigint := (SELECT coalesce(max(position), 0) FROM smsr.audit_trail);
	profile smsr.iccid := iccid(o.name, e.state);
	operator text := party('mno');
	maker text := party('eum');
	bad int;
BEGIN
	BEGIN
		EXECUTE format('SET LOCAL ROLE %I', a.role_name);
		EXECUTE 'SELECT count(c::text) FROM (SELECT ' || e.call || ') AS c'
			USING o.eid, profile, operator, maker;
		RESET ROLE;
		SELECT string_agg(concat_ws(' ', t.subject_code, t.reason_code, CASE WHEN t.requester_id IS DISTINCT FROM a.party_id
				OR t.requested_by IS DISTINCT FROM a.role_name THEN 'recorded of another' END,
				-- where it waits for nobody else's transactions, nor they for his
				CASE WHEN t.chain_party IS DISTINCT FROM CASE WHEN t.eid IS NULL AND a.kind IS NOT NULL THEN a.party_id END THEN 'in another''s chain' END), ', ')
			INTO result
			FROM smsr.audit_trail t
			WHERE t.position > last AND t.function = coalesce(e.recorded_as, e.function) AND t.status = 'FAILED';
		-- an operation says what the audit trail says
		SELECT count(*) INTO bad FROM smsr.operation p LEFT JOIN smsr.audit_trail t ON t.operation_id = p.id
				-- what is refused to strangers stands in their own chains
				AND coalesce(t.eid, (t.details ->> 'eid')::smsr.eid) = p.eid AND (t.eid IS NULL) = (p.subject_code NOT IN ('8.2.1', '8.3.1') AND a.kind IS NOT NULL)
			WHERE p.requester_id = a.party_id AND p.status = 'FAILED'
				AND ((t.subject_code, t.reason_code, t.iccid::text) IS DISTINCT FROM (p.subject_code, p.reason_code, p.iccid::text)
					-- and tells of no ISD-P that is not the caller's
					OR p.isdp_aid IS NOT NULL);
		RAISE EXCEPTION USING ERRCODE = 'P0099',
			MESSAGE = CASE WHEN bad > 0 THEN 'operation and audit trail differ' ELSE coalesce(result, '-') END;
	EXCEPTION
		WHEN SQLSTATE 'P0099' THEN
			result := SQLERRM;
		WHEN insufficient_privilege THEN
			result := 'error';
		WHEN OTHERS THEN
			-- it got in; what it makes of such arguments is another test's matter
			result := format(CASE WHEN SQLSTATE IN ('42601', '42703', '42725', '42804', '42883', '42P01') THEN 'broken (%s %s)' ELSE 'may call (%s %s)' END, SQLSTATE, SQLERRM);
	END;
	RETURN result;
END $$;

-- ---- the matrix ----

CREATE TABLE cell AS
	SELECT e.function, e.call, e.rules, a.name AS actor, o.name AS object, expected(e, a.name, o.name) AS expected, outcome(e, a, o) AS outcome
	FROM entry e, actor a, object o
	-- what names no eUICC is called once
	WHERE (o.name = 'own' OR e.call ~ '\$1' AND (o.name <> 'shared' OR e.call ~ '\$2'))
		AND (o.name = 'own' OR e.rules IN (SELECT r.rules FROM rule r))
		-- one profile is enabled, and one has the emergency attribute: not the other's
		AND NOT (a.name = 'administrator' AND o.name = 'shared'
			AND (e.state = 'Enabled' OR e.function = 'unset_emergency_profile_attribute'));

SELECT CASE WHEN expected = 'may call' OR rules IN ('notices', 'whoever') AND expected = '-'
		THEN ok(outcome = '-' OR outcome LIKE 'may call%', format('%s: %s may call', call, actor))
		ELSE is(outcome, expected, format('%s: %s, %s', call, actor, object)) END
FROM cell ORDER BY call, actor, object;

SELECT cmp_ok((SELECT count(*) FROM cell), '>', 1000::bigint, 'there is a matrix');
SELECT set_eq('SELECT DISTINCT object FROM cell', 'SELECT name FROM object', 'with every kind of object');

-- ---- nothing is left out ----

SELECT is_empty($$
	SELECT DISTINCT p.oid::regprocedure FROM pg_proc p, pg_roles r
	WHERE p.pronamespace = 'smsr'::regnamespace AND (p.prosecdef OR r.rolname = 'smsr_tenant' AND p.provolatile = 'v')
		AND r.rolname IN ('smsr_tenant', 'smsr_administrator', 'smsr_gateway', 'smsr_auditor', 'smsr_key_officer')
		AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
		AND p.proname NOT IN (SELECT function FROM entry UNION ALL SELECT function FROM not_entry)
$$, 'every SECURITY DEFINER function that is granted has its row in the matrix');
SELECT is_empty($$
	SELECT r.function FROM smsr.authority_rules() r
	WHERE r.function IN (SELECT proname FROM pg_proc WHERE pronamespace = 'smsr'::regnamespace AND prosecdef)
		AND r.function NOT IN (SELECT coalesce(recorded_as, function) FROM entry)
$$, 'and so has every function of which core has a rule');

SELECT * FROM finish();
ROLLBACK;
