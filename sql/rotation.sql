-- Rotation of card keys, with cards played by SQL that execute PUT KEY; the life
-- of key sets; and that the new keys are nowhere but on the card.
\set ECHO none
\i sql/card.psql
-- One block under AES-CBC of IV 0, through what deciphers packets: behind a block
-- that deciphers to a header of zeros, whose ciphertext is the IV of the next.
CREATE FUNCTION card.unwrap(dek bytea, wrapped bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	zeros bytea := smsr.scp80_command('\x0400', '\x12', '\x00', '\x000000', 0, dek, '', decode(repeat('00', 10), 'hex'));
	plain bytea;
BEGIN
	plain := substr((smsr.scp80_open_command(set_byte(zeros, 1, get_byte(zeros, 1) + 16) || wrapped, dek, '')).data, 11);
	FOR i IN 0 .. 15 LOOP
		plain := set_byte(plain, i, get_byte(plain, i) # get_byte(zeros, 10 + i));
	END LOOP;
	RETURN plain;
END $$;
-- Executes the PUT KEY that the card received last, and returns what it would answer.
CREATE FUNCTION card.put_key(card int DEFAULT 1) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	r card.received := card.last(card);
	d bytea := substr(r.script, position('\x80D8'::bytea IN r.script));
	dek bytea := (SELECT k.dek FROM card.keyset k WHERE k.card = r.card AND k.kvn = r.kvn);
	new_kvn int := get_byte(d, 5);
	old_kvn int := get_byte(d, 2);
	at int := 7;
	keys bytea[] := '{}';
	said bytea := substr(d, 6, 1);
	len int;
BEGIN
	IF (old_kvn <> 0) <> EXISTS (SELECT FROM card.keyset k WHERE k.card = r.card AND k.kvn = new_kvn) THEN
		RAISE EXCEPTION 'PUT KEY for % instead of %', new_kvn, old_kvn;
	END IF;
	FOR i IN 1 .. 3 LOOP
		len := get_byte(d, at);
		keys := keys || card.unwrap(dek, substr(d, at + 2 + len - 16, 16));
		said := said || substr(d, at + 2 + len + 1, 3);
		at := at + len + 6;
	END LOOP;
	INSERT INTO card.keyset AS k VALUES (r.card, new_kvn, keys[1], keys[2], keys[3])
		ON CONFLICT ON CONSTRAINT keyset_pkey DO UPDATE SET kic = excluded.kic, kid = excluded.kid, dek = excluded.dek;
	RETURN said;
END $$;
CREATE FUNCTION card.key_info(card int DEFAULT 1) RETURNS bytea LANGUAGE sql AS $$
	SELECT card.tlv('E0', string_agg('\xC004'::bytea || set_byte('\x00', 0, id) || set_byte('\x00', 0, k.kvn) || '\x8810'::bytea, ''::bytea ORDER BY k.kvn, id))
	FROM card.keyset k, generate_series(1, 3) id WHERE k.card = key_info.card
$$;
CREATE VIEW card.keysets AS
	SELECT e.n AS card, k.kvn, k.state, k.counter, k.replaces, encode(k.check_values, 'hex') = ANY (ARRAY['1233dd9bfd22f5c09a', '9bfd221233ddf5c09a']) AS factory
	FROM smsr.keyset k JOIN card.euicc e USING (eid) ORDER BY 1, 2;
CREATE VIEW card.moves AS
	SELECT e.n AS card, a.details ->> 'kvn' AS kvn, a.details ->> 'from' AS former, a.details ->> 'to' AS state, a.details ->> 'because' AS because
	FROM smsr.audit_trail a JOIN card.euicc e USING (eid) WHERE a.function = 'keyset_state' ORDER BY a.position;
-- from call to end
CREATE FUNCTION card.rotated(card int DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	op bigint := smsr.rotate_keys(card.eid(card));
BEGIN
	PERFORM card.take();
	PERFORM card.answer('9000', card.put_key(card), card);
	PERFORM card.take();
	PERFORM card.answer('9000', card.key_info(card), card);
	RETURN (SELECT o.status FROM smsr.operation o WHERE o.id = op);
END $$;
\set ECHO all

-- ---- core's table, and what the statements of claim and receive make of it ----

SELECT state, event, smsr.keyset_life(state, event)
	FROM unnest('{pending,active,retiring,revoked,compromised}'::text[]) WITH ORDINALITY s (state, n),
		unnest('{proven,superseded,taken_back,grace_over,given_up,revoke,compromise,replaced}'::text[]) WITH ORDINALITY e (event, m)
	WHERE smsr.keyset_life(state, event) IS NOT NULL ORDER BY n, m;
SELECT state, smsr.keyset_use(state, 'send') AS send, smsr.keyset_use(state, 'prove') AS prove, smsr.keyset_use(state, 'receive') AS receive
	FROM unnest('{pending,active,retiring,revoked,compromised}'::text[]) s (state);
SELECT card.try('SELECT smsr.keyset_life(''retired'', ''revoke'')');
SELECT card.try('SELECT smsr.keyset_life(''active'', ''lost'')');
SELECT card.try('SELECT smsr.keyset_use(''active'', ''hide'')');

-- ---- from call to end ----

SELECT card.reset();
SELECT smsr.rotate_keys(card.eid(), call_id => 'a') AS op \gset
SELECT smsr.rotate_keys(card.eid(), call_id => 'a') = :op AS same;
SELECT card.operation(:op);
-- there before anything is sent, and what is sent is not in the row
SELECT * FROM card.keysets WHERE card = 1;
SELECT length(script), script = smsr.put_key_script(eid, sd_aid, k.kvn, key_type, sealed, false) AS blank, position(decode(repeat('00', 16), 'hex') IN script) > 0 AS zeros
	FROM smsr.outbound JOIN smsr.keyset k USING (eid, sd_aid) WHERE k.state = 'pending';
SELECT * FROM card.take();
SELECT kvn, length(script) = (SELECT length(script) FROM smsr.outbound) AS as_long FROM card.last(1);
-- again the same octets
UPDATE smsr.outbound SET due_at = now();
SELECT * FROM card.take();
SELECT count(DISTINCT packet), count(*) FROM card.received;
SELECT card.answer('9000', card.put_key());
SELECT card.operation(:op);
SELECT * FROM card.keysets WHERE card = 1;
SELECT * FROM card.take();
SELECT kvn FROM card.last(1);
SELECT card.answer('9000', card.key_info());
SELECT card.operation(:op);
SELECT * FROM card.keysets WHERE card = 1;
SELECT * FROM card.moves;
SELECT direction, step, cntr, outcome, octets IS NULL AS blank, position(decode(repeat('00', 16), 'hex') IN script) > 0 AS zeros FROM smsr.message ORDER BY at;
-- the next command goes under it, and what still comes under the old one is believed
SELECT card.enabled(2, 1);
SELECT kvn, cntr FROM card.last(1);
SELECT * FROM card.operations WHERE status IS NULL;
-- until the grace is over
SELECT smsr.tick();
SELECT * FROM card.keysets WHERE card = 1;
SET smsr.retire_keys_after = 0;
SELECT smsr.tick();
RESET smsr.retire_keys_after;
SELECT * FROM card.keysets WHERE card = 1;
SELECT card.say(112, card.secure(card.notification(1, 7, card.aid('11'), card.eid())), '49000009000011');
SELECT outcome, detail FROM smsr.message ORDER BY at DESC LIMIT 1;

-- all fifteen numbers, then the one that has been out of use for longest is put in its own place
SELECT card.reset();
SET smsr.retire_keys_after = 0;
SELECT card.rotated(), smsr.tick() FROM generate_series(1, 14);
SELECT count(*), count(*) FILTER (WHERE state = 'active') AS active, max(kvn) FILTER (WHERE state = 'active') AS kvn FROM smsr.keyset WHERE eid = card.eid();
UPDATE smsr.keyset SET state_at = now() - interval '1 day' WHERE eid = card.eid() AND kvn = 7;
SELECT card.rotated();
SELECT kvn, state FROM card.keysets WHERE card = 1 AND state <> 'revoked';
SELECT * FROM card.moves WHERE kvn = '7';
RESET smsr.retire_keys_after;

-- ---- what goes wrong ----

-- the answer is lost, the card says "low" to the copy: it is asked what it has
SELECT card.reset();
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT says FROM card.take();
SELECT length(card.put_key());
SELECT card.refuse(2);
SELECT card.operation(:op);
SELECT says FROM card.take();
SELECT kvn FROM card.last(1);
SELECT card.answer('9000', card.key_info());
SELECT card.operation(:op);
SELECT says FROM card.take();
-- nobody believes what is not secured
SELECT card.refuse(6, 1, false);
SELECT kvn, state FROM card.keysets WHERE card = 1;
SELECT card.answer('6A88');
SELECT card.operation(:op);
SELECT kvn, state FROM card.keysets WHERE card = 1;

-- it never had it: put again, the same keys under a new counter
SELECT card.reset();
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT says FROM card.take();
SELECT card.refuse(2);
SELECT says FROM card.take();
SELECT card.answer('9000', card.key_info());
SELECT card.operation(:op);
SELECT says, cntr FROM card.take();
SELECT card.answer('9000', card.put_key());
-- and a notification under the new keys proves them too
SELECT card.say(112, smsr.scp80_command('\x0600', '\x12', '\x12', '\x000001', 0, kic, kid, card.notification(1, 1, card.aid('10'), card.eid())), '49000009000010')
	FROM card.keyset WHERE card = 1 AND kvn = 1;
SELECT card.operation(:op);
SELECT kvn, state FROM card.keysets WHERE card = 1;

-- never answered: both are kept, and the next rotation goes on with what is there
SELECT card.reset();
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT says FROM card.take();
SELECT length(card.put_key());
UPDATE smsr.operation SET expires_at = now();
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT kvn, state FROM card.keysets WHERE card = 1;
SELECT what, about, advice FROM smsr.incident;
SELECT count(*) FROM smsr.unknown_outcome;
SELECT card.operation(smsr.rotate_keys(card.eid(), 5));
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT says FROM card.take();
SELECT card.answer('9000', card.key_info());
SELECT says FROM card.take();
SELECT card.answer('9000', card.key_info());
SELECT card.operation(:op);
SELECT kvn, state FROM card.keysets WHERE card = 1;

-- never sent: as if it had never been made
SELECT card.reset();
SELECT smsr.rotate_keys(card.eid()) AS op \gset
UPDATE smsr.operation SET expires_at = now();
SELECT smsr.tick();
SELECT card.operation(:op);
SELECT kvn, state FROM card.keysets WHERE card = 1;

-- refused: the card has a set of this number; the next one takes another number
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT says FROM card.take();
SELECT card.answer('6A80');
SELECT card.operation(:op);
SELECT kvn, state FROM card.keysets WHERE card = 1;
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT says FROM card.take();
-- other keys than were sent
SELECT card.answer('9000', '\x03010203040506070809');
SELECT card.operation(:op);
SELECT kvn, state FROM card.keysets WHERE card = 1;
SELECT card.rotated();

-- a version that is in use, and none; two at a time
SELECT card.reset();
SELECT card.operation(smsr.rotate_keys(card.eid(), 2));
SELECT card.try('SELECT smsr.rotate_keys(card.eid(), 16)');
SELECT card.try('SELECT smsr.request(''rotate_keys'', ARRAY[card.eid()], arguments => ARRAY[''{"kvn": "x"}''::jsonb])');
SELECT card.operation(operation_id) FROM smsr.request('rotate_keys', ARRAY[card.eid(), card.eid(2), card.eid()], arguments => ARRAY['{"kvn": 9}', NULL, '{"kvn": 9}']::jsonb[]);
SELECT card, says FROM card.take();
SELECT card.answer('9000', card.put_key(c), c) FROM generate_series(1, 2) c;
SELECT card, says FROM card.take();
SELECT card.answer('9000', card.key_info(c), c) FROM generate_series(1, 2) c;
SELECT card, function, step, stage, status, codes, message FROM card.operations;
SELECT card, kvn, state FROM card.keysets;
-- none to bring it under
UPDATE smsr.keyset SET counter = 1099511627775 WHERE eid = card.eid(2) AND state = 'active';
SELECT card.operation(smsr.rotate_keys(card.eid(2)));

-- four eyes
SELECT card.reset();
SELECT smsr.set_approval_rule('rotate_keys', current_user) AS ruled;
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT card.operation(:op);
SELECT count(*) FROM smsr.keyset WHERE state = 'pending';
SELECT smsr.remove_approval_rule('rotate_keys', current_user) AS ruled;

-- ---- the life of a set, said by people ----

SELECT card.reset();
SELECT card.rotated();
SELECT card.try('SELECT smsr.mark_keyset(card.eid(), 1, ''revoked'', ''a slip'')');
SELECT card.try('SELECT smsr.mark_keyset(card.eid(), 1, ''pending'', ''no'')');
SELECT card.try('SELECT smsr.mark_keyset(card.eid(), 1, ''revoked'', '''')');
SELECT card.try('SELECT smsr.mark_keyset(card.eid(), 3, ''revoked'', ''none'')');
UPDATE smsr.keyset SET state = 'pending' WHERE eid = card.eid();
-- the rotation is taken back, then the new set turns out to be known to others
SELECT smsr.mark_keyset(card.eid(), 2, 'active', 'the new one gives trouble');
SELECT kvn, state FROM card.keysets WHERE card = 1;
SELECT smsr.mark_keyset(card.eid(), 1, 'compromised', 'found on a bus');
SELECT smsr.mark_keyset(card.eid(), 1, 'compromised', 'again');
SELECT card.try('SELECT smsr.mark_keyset(card.eid(), 1, ''active'', ''no way back'')');
SELECT kvn, state FROM card.keysets WHERE card = 1;
SELECT what, about, advice FROM smsr.incident;
-- the next set takes its place, and so it out of the card
SELECT card.rotated();
SELECT kvn, state FROM card.keysets WHERE card = 1;
SELECT * FROM card.moves;

-- a fleet: what is under way under them is not sent again, and no answer is believed
SELECT card.reset();
SELECT card.rotated(2);
SELECT smsr.enable_profile(card.eid(), card.iccid(2)) AS op \gset
SELECT card, says FROM card.take();
SELECT card.enabled(2, 1, 2);
SELECT (SELECT n FROM card.euicc e WHERE e.eid = c.eid) AS card, compromised, usable FROM smsr.compromise_keys(ARRAY(SELECT eid FROM card.euicc), 'the EUM was robbed') c ORDER BY 1;
SELECT card, kvn, state FROM card.keysets;
SELECT what, about, cardinality(eids), advice FROM smsr.incident ORDER BY 1;
UPDATE smsr.outbound SET due_at = now();
SELECT card, says FROM card.take();
SELECT outcome, detail FROM smsr.message WHERE outcome = 'not sent' ORDER BY at;
SELECT card.answer();
SELECT card.operation(:op);
SELECT card.rotated(2);
SELECT card, kvn, state FROM card.keysets;
SELECT card.operation(smsr.rotate_keys(card.eid()));

-- ---- who may ----

SELECT card.reset();
SELECT smsr.install_roles();
CREATE ROLE regress_rotation_officer IN ROLE smsr_key_officer;
CREATE ROLE regress_rotation_tenant IN ROLE smsr_tenant;
INSERT INTO smsr.party_role (role_name, party_id, bound_by) VALUES ('regress_rotation_tenant', '1.3.6.1.4.1.99999.3', current_user);
SELECT card.eid() AS eid \gset
SET client_min_messages = error;
SET ROLE regress_rotation_officer;
SELECT smsr.rotate_keys(:'eid') IS NOT NULL AS rotates;
SELECT smsr.mark_keyset(:'eid', 2, 'revoked', 'no other');
SELECT smsr.request('enable_profile', ARRAY[:'eid']::smsr.eid[], ARRAY['8949000000090000118']::smsr.iccid[]);
SET ROLE regress_rotation_tenant;
SELECT smsr.rotate_keys(:'eid');
SELECT count(*) FROM smsr.request('rotate_keys', ARRAY[:'eid']::smsr.eid[]);
SELECT smsr.compromise_keys(ARRAY[:'eid']::smsr.eid[], 'no');
RESET ROLE;
SET client_min_messages = warning;
SELECT function, requested_by, stage, status, subject_code || '/' || reason_code AS codes FROM smsr.operation ORDER BY id;
DROP OWNED BY regress_rotation_officer, regress_rotation_tenant, smsr_administrator, smsr_gateway, smsr_auditor, smsr_key_officer, smsr_tenant;
DROP ROLE regress_rotation_officer, regress_rotation_tenant, smsr_administrator, smsr_gateway, smsr_auditor, smsr_key_officer, smsr_tenant;

-- ---- the other form of the command ----

SELECT card.reset();
SET smsr.put_key_form = 'bare';
SELECT card.rotated();
RESET smsr.put_key_form;
SELECT kvn, state FROM card.keysets WHERE card = 1;

-- ---- the new keys are on the card, and nowhere else ----

-- in no column of any table, neither as octets nor as digits
CREATE FUNCTION card.leaks() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	t record;
	k bytea;
	n bigint;
BEGIN
	FOR k IN SELECT unnest(ARRAY[s.kic, s.kid, s.dek]) FROM card.keyset s WHERE s.kvn <> 2 LOOP
		FOR t IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = 'smsr'::regnamespace AND c.relkind = 'r' LOOP
			EXECUTE format('SELECT count(*) FROM %s x WHERE position(%L IN lower(x::text)) > 0 OR position(%L IN x::text) > 0',
				t.name, encode(k, 'hex'), encode(k, 'base64')) INTO n;
			IF n > 0 THEN
				RETURN NEXT t.name;
			END IF;
		END LOOP;
	END LOOP;
END $$;
SELECT count(*) FROM card.keyset WHERE kvn <> 2;
SELECT * FROM card.leaks();
-- nor wrapped, once the card has answered
SELECT count(*) FROM smsr.message m JOIN card.received r ON r.cntr = m.cntr AND r.kvn = 2
	WHERE m.step = 'put_key' AND m.direction = 'out' AND (m.octets IS NOT NULL OR m.script = r.script);
-- and nobody is shown them
SELECT what, outcome, detail, decoded FROM smsr.timeline(card.eid());
SELECT card.reset();
SELECT smsr.rotate_keys(card.eid()) AS op \gset
SELECT says FROM card.take();
SELECT smsr.decode(script)::text ~ substr(encode(script, 'hex'), 40, 16) AS shown FROM card.last(1);
SELECT smsr.describe(script) FROM card.last(1);

SELECT * FROM card.faults();
\set ECHO none
\i sql/card_end.psql
