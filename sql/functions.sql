-- Functions that change the EIS alone, what guards it, and bad arguments.
\set ECHO none
\i sql/card.psql
\set ECHO all

-- ---- no impossible state, whoever writes ----

SELECT card.reset();
CREATE VIEW card.guarded AS SELECT * FROM smsr.profile WHERE eid = '89049032001000000100000090000151';
SELECT rolsuper FROM pg_roles WHERE rolname = current_user;
-- every step from one state to another; a row may be inserted in any
SELECT f AS "from", t AS "to", card.try(format($$
		WITH x AS (DELETE FROM card.guarded WHERE state <> 'x') SELECT 1$$)) IS NOT NULL AS cleared,
	card.try(format($$INSERT INTO card.guarded (eid, isdp_aid, state) VALUES ('89049032001000000100000090000151', %L, %L) RETURNING state$$,
		'A0000005591010FFFFFFFF8900003000', f)) AS inserted,
	card.try(format($$UPDATE card.guarded SET state = %L RETURNING state$$, t)) AS updated
FROM unnest('{Created,Disabled,Enabled}'::text[]) f, unnest('{Created,Disabled,Enabled,Deleted}'::text[]) t;
SELECT card.try($$UPDATE card.guarded SET state = NULL RETURNING 1$$);
-- one is enabled, one has the fall-back attribute
SELECT card.reset();
SELECT card.try($$UPDATE card.guarded SET state = 'Enabled' RETURNING 1$$);
SELECT card.try($$UPDATE card.guarded SET fallback_attribute = true RETURNING 1$$);
SELECT card.try($$INSERT INTO card.guarded (eid, isdp_aid, state) VALUES ('89049032001000000100000090000151', 'A0000005591010FFFFFFFF8900003000', 'Enabled') RETURNING 1$$);
SELECT card.try($$INSERT INTO card.guarded (eid, isdp_aid, state, iccid) VALUES ('89049032001000000100000090000151', 'A0000005591010FFFFFFFF8900003000', 'Disabled', '89490000000090000107') RETURNING 1$$);
SELECT card.try($$UPDATE card.guarded SET pol2 = '{DISABLE/Not-Allowed,Perhaps}' RETURNING 1$$);
SELECT card.try($$INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at) VALUES (card.eid(), 'x', 'x', 'finished', now()) RETURNING 1$$);
SELECT card.try($$INSERT INTO smsr.operation (eid, function, requester_id, stage, expires_at) SELECT card.eid(), 'x', 'x', 'sending', now() FROM generate_series(1, 2) RETURNING 1$$);
SELECT * FROM card.profiles WHERE card = 1;

-- ---- arguments ----

SELECT a, regexp_replace(card.try('SELECT smsr.' || a), '^[0-9]+$', 'an id') AS said FROM unnest(ARRAY[
	$$enable_profile(NULL, '8949000000090000118')$$,
	$$enable_profile(card.eid(), NULL)$$,
	$$enable_profile('89049032001000000100000090000152', '8949000000090000118')$$,
	$$enable_profile('1', '8949000000090000118')$$,
	$$enable_profile(card.eid(), '1')$$,
	$$enable_profile(card.eid(), '8949000000090000118', '0 s')$$,
	$$enable_profile(card.eid(), '8949000000090000118', '-1 s')$$,
	$$enable_profile(card.eid(), '8949000000090000118', '367 days')$$,
	$$enable_profile(card.eid(), '8949000000090000118', call_id => '')$$,
	$$enable_profile(card.eid(), '8949000000090000118', call_id => repeat('x', 10000))$$,
	$$disable_profile(NULL, NULL)$$,
	$$delete_profile(card.eid(), NULL)$$,
	$$set_fallback_attribute(NULL, '8949000000090000118')$$,
	$$audit_eis(NULL)$$,
	$$audit_eis(card.eid(), '{x}')$$,
	$$audit_eis(card.eid(), '{NULL}')$$,
	$$create_isdp(NULL, '89490000000090000305', '1.3.6.1.4.1.99999.3', 1)$$,
	$$create_isdp(card.eid(), NULL, '1.3.6.1.4.1.99999.3', 1)$$,
	$$create_isdp(card.eid(), '89490000000090000305', NULL, 1)$$,
	$$create_isdp(card.eid(), '89490000000090000305', 'operator', 1)$$,
	$$create_isdp(card.eid(), '89490000000090000305', '1.3.6.1.4.1.99999.3', NULL)$$,
	$$create_isdp(card.eid(), '89490000000090000305', '1.3.6.1.4.1.99999.3', -1)$$,
	$$request(NULL, ARRAY[card.eid()])$$,
	$$request('confirm_notification', ARRAY[card.eid()])$$,
	$$request('destroy', ARRAY[card.eid()])$$,
	$$request('audit_eis', NULL)$$,
	$$request('audit_eis', ARRAY[card.eid(), NULL])$$,
	$$request('audit_eis', ARRAY[ARRAY[card.eid()], ARRAY[card.eid(2)]])$$,
	$$request('enable_profile', ARRAY[card.eid()])$$,
	$$request('enable_profile', ARRAY[card.eid()], ARRAY[card.iccid(2), card.iccid(1)])$$,
	$$request('enable_profile', ARRAY[card.eid()], ARRAY[NULL::smsr.iccid])$$,
	$$request('enable_profile', ARRAY[card.eid()], ARRAY[card.iccid(2)], call_ids => '{a,b}')$$,
	$$request('enable_profile', ARRAY[card.eid(), card.eid()], ARRAY[card.iccid(2), card.iccid(1)], call_ids => '{a,a}')$$,
	$$request('enable_profile', ARRAY[card.eid()], ARRAY[card.iccid(2)], arguments => '{}')$$,
	$$request('create_isdp', ARRAY[card.eid()], ARRAY['89490000000090000305'::smsr.iccid])$$,
	$$request('create_isdp', ARRAY[card.eid()], ARRAY['89490000000090000305'::smsr.iccid], arguments => ARRAY['{"mno_id": "1.2", "required_memory": "much"}'::jsonb])$$,
	$$request('create_isdp', ARRAY[card.eid()], ARRAY['89490000000090000305'::smsr.iccid], arguments => ARRAY['{"mno_id": "1.2", "required_memory": -1}'::jsonb])$$,
	$$request('create_isdp', ARRAY[card.eid()], ARRAY['89490000000090000305'::smsr.iccid], arguments => ARRAY['{"mno_id": "operator", "required_memory": 1}'::jsonb])$$,
	$$request('create_isdp', ARRAY[card.eid()], ARRAY['89490000000090000305'::smsr.iccid], arguments => ARRAY['{"mno_id": "1.2", "required_memory": 99999999999}'::jsonb])$$,
	$$profile_download_completed(NULL, '8949000000090000118')$$,
	$$profile_download_completed(card.eid(), NULL)$$,
	$$profile_download_completed(card.eid(), '8949000000090000118', pol2 => '{x}')$$,
	$$update_policy_rules(card.eid(), '8949000000090000118', NULL)$$,
	$$update_policy_rules(card.eid(), '8949000000090000118', '{ENABLE}')$$,
	$$update_policy_rules(card.eid(), '8949000000090000118', '{NULL}')$$,
	$$update_policy_rules(NULL, '8949000000090000118', '{}')$$,
	$$update_subscription_address(card.eid(), '8949000000090000118', NULL)$$,
	$$update_subscription_address(card.eid(), '8949000000090000118', 'many')$$,
	$$update_subscription_address(card.eid(), '8949000000090000118', '')$$,
	$$update_subscription_address(card.eid(), '8949000000090000118', '+')$$,
	$$update_subscription_address(card.eid(), '8949000000090000118', repeat('4', 21))$$,
	$$update_subscription_address(card.eid(), '8949000000090000118', NULL, '12')$$,
	$$update_subscription_address(card.eid(), NULL, '49000009000011')$$,
	$$get_eis('89001012012341234012345678901224')$$,
	$$describe('\x')$$,
	$$describe('\xAA')$$]) a;
SELECT * FROM card.operations;
-- what was refused for its address before is accepted with a good one
SELECT card.reset();
SELECT smsr.create_isdp(card.eid(), '89490000000090000305', '1.3.6.1.4.1.99999.3', 0) AS op \gset
SELECT * FROM card.take();
SELECT card.answer('9000', '\x00');
SELECT card.try($$SELECT smsr.profile_download_completed(card.eid(), '89490000000090000305', msisdn => 'many')$$);
SELECT card.try($$SELECT smsr.profile_download_completed(card.eid(), '89490000000090000305', imsi => 'many')$$);
SELECT card.operation(smsr.profile_download_completed(card.eid(), '89490000000090000305', msisdn => '49000009000012'));
SELECT * FROM card.profiles WHERE card = 1;
SELECT card.reset();

\set ECHO none
\i sql/card_end.psql
