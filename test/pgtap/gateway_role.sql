-- A gateway may call the gateway's functions and nothing else, nor read a row.
-- The checks go over the catalogues, so that a new object is checked, too.

\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on

BEGIN;
SELECT no_plan();

SET client_min_messages = warning;

CREATE ROLE smsr_pgtap_gateway;
CREATE ROLE smsr_pgtap_bystander;
SELECT smsr.grant_gateway('smsr_pgtap_gateway');

CREATE TEMP TABLE vocabulary AS
	SELECT unnest(ARRAY['smsr.claim_sms(text, int, interval)', 'smsr.sms_submitted(bigint[], text[])',
		'smsr.sms_refused(bigint, text, boolean)', 'smsr.release_sms(bigint[])', 'smsr.sms_delivery_report(text, text)',
		'smsr.receive_sms(text, bytea)', 'smsr.receive_sms(text, text)', 'smsr.receive_sms(text[], bytea[])',
		'smsr.https_psk(text)', 'smsr.https_request(text, text, text, jsonb, bytea, text, text)', 'smsr.https_next(text, text, text)',
		'smsr.https_closed(text, text, text, text)', 'smsr.tick()']::regprocedure[]) AS oid;
GRANT SELECT ON vocabulary TO smsr_pgtap_gateway;

SELECT is_empty($$
	SELECT oid FROM vocabulary WHERE NOT has_function_privilege('smsr_pgtap_gateway', oid, 'EXECUTE')
$$, 'a gateway may call each function of its vocabulary');

SELECT is_empty($$
	SELECT oid FROM vocabulary WHERE has_function_privilege('smsr_pgtap_bystander', oid, 'EXECUTE')
$$, 'and nobody else by default');

-- what serves the values of types is everybody's and reads nothing
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'smsr'::regnamespace
		AND has_function_privilege('smsr_pgtap_gateway', p.oid, 'EXECUTE')
		AND NOT has_function_privilege('smsr_pgtap_bystander', p.oid, 'EXECUTE')
		AND p.oid NOT IN (SELECT v.oid FROM vocabulary v)
	ORDER BY 1
$$, 'grant_gateway() grants no other function');

SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'smsr'::regnamespace AND p.provolatile = 'v'
		AND has_function_privilege('smsr_pgtap_bystander', p.oid, 'EXECUTE')
		AND p.prorettype <> 'trigger'::regtype
	ORDER BY 1
$$, 'nothing that writes is everybody''s');

SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		AND (has_table_privilege('smsr_pgtap_gateway', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
			OR has_any_column_privilege('smsr_pgtap_gateway', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
	ORDER BY 1
$$, 'a gateway reads and writes no table');

SELECT is_empty($$
	SELECT c.oid::regclass FROM pg_class c
	WHERE c.relnamespace = 'smsr'::regnamespace
		AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('smsr_pgtap_gateway', c.oid, 'USAGE, SELECT, UPDATE') END
	ORDER BY 1
$$, 'nor a sequence');

SELECT ok(NOT has_schema_privilege('smsr_pgtap_gateway', 'smsr', 'CREATE'), 'nor puts anything into the schema');
SELECT ok(NOT has_function_privilege('smsr_pgtap_gateway', 'smsr.grant_gateway(name)', 'EXECUTE'), 'nor makes another one a gateway');

-- ---- as SQL has it ----

SET ROLE smsr_pgtap_gateway;
SELECT lives_ok($$SELECT * FROM smsr.claim_sms('gateway', 10)$$, 'claim_sms');
SELECT lives_ok($$SELECT smsr.sms_submitted('{32}', '{x}')$$, 'sms_submitted');
SELECT lives_ok($$SELECT smsr.sms_refused(32, 'x', true)$$, 'sms_refused');
SELECT lives_ok($$SELECT smsr.release_sms('{32}')$$, 'release_sms');
SELECT lives_ok($$SELECT smsr.sms_delivery_report('x', 'DELIVRD')$$, 'sms_delivery_report');
SELECT is(smsr.receive_sms('49', '\x0271'::bytea), 'unreadable', 'receive_sms');
SELECT is(smsr.receive_sms('49', '\x0271'), 'unreadable', 'receive_sms of a literal');
SELECT is(smsr.receive_sms(ARRAY['49'], ARRAY['\x0271'::bytea]), ARRAY['unreadable'], 'receive_sms of many');
SELECT is(length(smsr.https_psk('somebody')), 16, 'https_psk');
SELECT is((smsr.https_request('somebody', 'POST', '/', '{}', NULL, 'gateway', '49')).status, 403, 'https_request');
SELECT is((smsr.https_next('somebody', 'gateway', '49')).status, 204, 'https_next');
SELECT lives_ok($$SELECT smsr.https_closed('somebody', 'gateway', '49', NULL)$$, 'https_closed');
SELECT lives_ok('SELECT smsr.tick()', 'tick');
SELECT lives_ok('LISTEN smsr_sms', 'it may listen for the doorbell');
SELECT throws_ok('SELECT * FROM smsr.outbound', '42501', NULL, 'it may not look at the queue');
SELECT throws_ok('SELECT * FROM smsr.keyset', '42501', NULL, 'nor at keys');
SELECT throws_ok('SELECT smsr.enable_profile(NULL, NULL)', '42501', NULL, 'nor ask for anything');
SELECT throws_ok($$SELECT smsr.handle_event(NULL, 1, 'deadline')$$, '42501', NULL, 'nor feed events');
SELECT throws_ok($$SELECT smsr.scp80_command('\x1639', '\x12', '\x12', '\x000001', 1, '', '', '')$$, '42501', NULL, 'nor build packets');
SELECT throws_ok($$SELECT smsr.receive_one('49', '\x0271')$$, '42501', NULL, 'nor reach what stands behind');

-- what it can put in the way of the names it calls does not count
CREATE TEMP TABLE outbound (id bigint);
CREATE FUNCTION pg_temp.record_in(text, bytea, text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'taken over' $$;
SET search_path = pg_temp, public, pg_catalog;
SELECT is(smsr.receive_sms('49', '\x0271'::bytea), 'unreadable', 'its search_path is not that of the functions');
RESET search_path;
RESET ROLE;

SELECT is_empty($$
	SELECT v.oid::regprocedure FROM vocabulary v JOIN pg_proc p ON p.oid = v.oid
	WHERE p.proconfig IS NULL OR NOT 'search_path=pg_catalog, smsr, pg_temp' = ANY (p.proconfig)
$$, 'each has its search_path pinned, pg_temp last');

SELECT is((SELECT count(*) FROM smsr.message WHERE address = '49'), 4::bigint, 'what it brought was kept');

-- ---- one at a time, by the schema ----

SELECT is((SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = 'smsr.operation_one_running'::regclass AND indisunique),
	'((status IS NULL) AND exclusive AND (stage <> ''waiting''::text))', 'one exclusive operation runs on an eUICC');
SELECT is((SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = 'smsr.operation_call_id'::regclass AND indisunique),
	'(call_id IS NOT NULL)', 'a call_id is one operation');
SELECT is((SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = 'smsr.profile_one_enabled'::regclass AND indisunique),
	'(state = ''Enabled''::text)', 'one profile of an eUICC is enabled');
SELECT is((SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = 'smsr.profile_one_fallback'::regclass AND indisunique),
	'fallback_attribute', 'one profile of an eUICC is the fall-back one');
SELECT is((SELECT count(*) FROM pg_index WHERE indrelid IN ('smsr.operation'::regclass, 'smsr.profile'::regclass, 'smsr.outbound'::regclass, 'smsr.keyset'::regclass)
	AND NOT indisvalid), 0::bigint, 'and they are valid');
SELECT is_empty($$
	SELECT c.conrelid::regclass, c.conname FROM pg_constraint c
	WHERE c.connamespace = 'smsr'::regnamespace AND c.contype = 'f'
		AND c.conrelid IN ('smsr.operation'::regclass, 'smsr.message'::regclass, 'smsr.audit_trail'::regclass, 'smsr.notice'::regclass)
$$, 'no history goes with the eUICC it is about');

SELECT * FROM finish();
ROLLBACK;
