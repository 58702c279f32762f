-- Sessions over HTTPS as core reads and writes them: octets and texts, no table.
\pset null -
\set eid 89001012012341234012345678901224
\set isdr A0000005591010FFFFFFFF8900000100

-- ---- PSK identities ----
SELECT i.* FROM smsr.read_psk_identity(smsr.psk_identity(:'eid', :'isdr', 64)) i;
SELECT i.* FROM smsr.read_psk_identity(lower(smsr.psk_identity(:'eid', :'isdr', 79, 2))) i;
-- what is none is a fault, and no error
SELECT i.fault, i.eid IS NULL AND i.isdr_aid IS NULL AND i.kvn IS NULL AND i.key_id IS NULL AS nothing
	FROM (VALUES ('nobody'), (''), (repeat('x', 90)), (repeat('0', 90)),
		(overlay(smsr.psk_identity(:'eid', :'isdr', 64) PLACING '25' FROM 41 FOR 2))) t (identity)
		CROSS JOIN LATERAL smsr.read_psk_identity(t.identity) i;
SELECT i.* FROM smsr.read_psk_identity(NULL) i;

-- ---- headers ----
SELECT f.* FROM smsr.read_admin_from('//se-id/eid/' || :'eid' || ';//aa-id/aid/A000000559/1010FFFFFFFF8900000100') f;
SELECT f.* FROM (VALUES ('nobody'), ('//se-id/eid/89001012012341234012345678901225;//aa-id/aid/A000000559/1010FFFFFFFF8900000100'),
	('//se-id/eid/' || :'eid' || ';//aa-id/aid/A000000559')) t (header) CROSS JOIN LATERAL smsr.read_admin_from(t.header) f;
SELECT s, smsr.read_script_status(s) FROM unnest(ARRAY['ok', 'unknown-application', 'not-a-security-domain', 'security-error', 'OK', '', NULL]) s;
SELECT smsr.admin_target('A0000005591010FFFFFFFF8900001000'), smsr.admin_target('A000000559');

-- ---- URIs ----
SELECT t.uri, u.* FROM (VALUES ('/gsma/adminagent'), ('/gsma/adminagent?msg=E12b01FF'), ('/a?script=9223372036854775807'),
	('/a?x=1&script=12&msg=01'), (''), ('/a?msg='), ('/a?msg=0x'), ('/a?script=0'), ('/a?script=9223372036854775808'),
	('/a?script=1&script=2'), ('/a?script=; DROP')) t (uri) CROSS JOIN LATERAL smsr.read_admin_uri(t.uri) u;

-- ---- scripts ----
SELECT smsr.script_indefinite(smsr.script('{"\\x80F24002024F0000", "\\x80CAFF2100"}')) = smsr.script('{"\\x80F24002024F0000", "\\x80CAFF2100"}', true) AS same;
SELECT smsr.script_indefinite('\xAA0486810122');
SELECT length(smsr.script_indefinite(smsr.script(ARRAY['\x80E2880000'::bytea || decode(repeat('5A', 250), 'hex'), decode(repeat('5A', 200), 'hex')])));
\set VERBOSITY default
SELECT smsr.script_indefinite('\xAB03800100');
SELECT smsr.script_indefinite('\xAA042200');

-- ---- triggers ----
SELECT smsr.session_trigger() AS as_stored, smsr.session_trigger(uri => '/gsma/adminagent') AS uri_alone;
SELECT smsr.session_trigger(bearer => '\x03', buffer_size => 1280, access_name => 'iot.example', login => 'card', password => '', port => 4433,
	address => '192.0.2.7', psk_identity => smsr.psk_identity(:'eid', :'isdr', 64), kvn => 64, key_id => 1, retries => 3,
	retry_delay => '00:01:30', host => 'sr.example', agent_id => 'agent', uri => '/gsma/adminagent') AS all_of_it;
SELECT smsr.session_trigger(port => 443, address => '2001:db8::7') AS v6;
SELECT smsr.session_trigger(port => 0);
SELECT smsr.session_trigger(address => '192.0.2.0/24');
SELECT smsr.session_trigger(login => 'card');
SELECT smsr.session_trigger(psk_identity => 'x');
SELECT smsr.session_trigger(retry_delay => '1 minute');
SELECT smsr.session_trigger(retries => 1, retry_delay => '100 hours');
SELECT smsr.session_trigger(retries => 1, retry_delay => '1 day');
SELECT smsr.session_trigger(host => E'sr.example\r\nX: y');

-- ---- which way ----
SELECT t.what, c.*
	FROM (VALUES
		('short',							true, true, true, false, false, false, false, false, 0, 0, 0, 0),
		('long',							false, true, true, false, false, false, false, false, 0, 0, 0, 0),
		('long, and no way',				false, true, false, false, false, false, false, false, 0, 0, 0, 0),
		('nothing known',					NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
		('to an ISD-P',						true, true, true, false, false, true, false, false, 0, 0, 0, 0),
		('which none of its kind takes',	true, true, true, false, false, true, false, false, 40, 0, 0, 0),
		('in a session',					true, true, true, false, false, false, true, false, 0, 0, 0, 0),
		('keys in a session',				true, true, true, true, false, false, true, false, 0, 0, 0, 0),
		('calls in',						false, true, true, false, false, false, false, true, 0, 0, 0, 0),
		('confirms, calls in',				true, true, true, false, true, false, false, true, 0, 0, 0, 0),
		('never answers',					true, true, true, false, false, false, false, false, 40, 30, 40, 1)) t
			(what, fits, scp80, scp81, keys, confirms, relayed, open, polls, triggers, opened, packets, answered)
		CROSS JOIN LATERAL smsr.choose_bearer(t.fits, t.scp80, t.scp81, t.keys, t.confirms, t.relayed, t.open, t.polls,
			t.triggers, t.opened, t.packets, t.answered) c;
SELECT * FROM smsr.choose_bearer(fits_sms => true, has_scp80 => true, has_scp81 => true);

-- ---- commands of platform management ----
SELECT smsr.check_platform_commands('\x220580CA00E000220880F24002024F0000');
SELECT smsr.check_platform_commands('\x220580CA00E000220480E40040');
SELECT smsr.check_platform_commands('');
SELECT smsr.es5_script('manage', NULL, NULL, NULL, '{"commands": "220580CA00E000"}', NULL);
SELECT smsr.es5_script('manage', NULL, NULL, NULL, '{"commands": "220580E2880000"}', NULL);

-- ---- what is lost with its session ----
SELECT p.step, p.stage, p.doubt, p.effects, p.status, p.subject_code, p.reason_code, p.because
	FROM (VALUES ('create_isdp', 'create'), ('audit_eis', 'audit'), ('confirm_notification', 'confirm'), ('update_smsr_addressing', 'addressing'),
		('send_data', 'relay'), ('manage_platform', 'manage'), ('update_platform', 'package')) t (function, step)
		CROSS JOIN LATERAL smsr.procedure(t.function, t.step, 'sending', NULL, false, false, 'lost', attempts => 1) p;
SELECT p.effects, p.status, p.because
	FROM (VALUES (true, NULL), (true, x'6A80'::int), (false, x'9000'::int)) t (executed, sw)
		CROSS JOIN LATERAL smsr.procedure('send_data', 'relay', 'sending', NULL, false, false, 'por', por_status => 0, sw => t.sw,
			executed => t.executed, attempts => 1) p;
SELECT p.step, p.effects, p.status, p.because
	FROM (VALUES (x'9000'::int, true), (x'9000'::int, false), (x'6985'::int, true)) t (sw, more)
		CROSS JOIN LATERAL smsr.procedure('update_platform', 'package', 'sending', NULL, false, false, 'por', por_status => 0, sw => t.sw,
			executed => true, more_chunks => t.more, attempts => 1) p;
SELECT proname, provolatile, proparallel, proisstrict FROM pg_proc
	WHERE pronamespace = 'smsr'::regnamespace AND prosrc IN ('smsr_read_psk_identity', 'smsr_read_admin_from', 'smsr_read_admin_uri', 'smsr_read_script_status',
		'smsr_admin_target', 'smsr_script_indefinite', 'smsr_session_trigger', 'smsr_choose_bearer', 'smsr_platform_commands')
	ORDER BY proname;
