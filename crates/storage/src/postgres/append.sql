-- The whole transaction of a batch, in one call: nothing but the server's own work passes between taking the clock's lock and
-- committing, whatever becomes of the node that called. It belongs to the connection, so that each build brings its own.
--
-- Jobs are counted from 0; a job's message or change has the id `first_id + job`. A batch that was committed before, by a call whose
-- answer was lost, is told again and changes nothing.
CREATE OR REPLACE FUNCTION pg_temp.append_batch(
    this_node int8, this_own int8, jobs int4, window_us int8,
    m_job int4[], m_sender int8[], m_client uuid[], m_copies bytea[], m_text text[], m_xml bytea[], m_labels text[],
    m_from int4[], m_to int4[], words int4[],
    c_job int4[], c_owner int8[], c_kind int2[], c_contact int8[],
    l_job int4[], l_key int8[],
    s_job int4[], s_owner int8[], s_kind int8[], s_hash uuid[], s_key text[], s_content text[],
    f_job int4[], f_what text[], f_node int8[], f_epoch int8[],
    OUT number int8, OUT first_id int8, OUT repeated bool, OUT known_job int4[], OUT known_id int8[], OUT fenced int4[]
) LANGUAGE plpgsql AS $append$
#variable_conflict use_column
DECLARE
    clock record;
    turn int8;
    oldest int8;
    patience text;
    added int8 := 0;
    kept_out int4[];
BEGIN
    SELECT c.last_id, c.batch, c.generation INTO STRICT clock FROM clock c FOR UPDATE;
    SELECT b.number, b.first_id INTO number, first_id FROM batch b WHERE b.node = this_node AND b.own = this_own;
    repeated := FOUND;
    IF NOT repeated THEN
        number := clock.batch + 1;
        first_id := greatest(clock.last_id + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::int8);
    END IF;
    turn := greatest(clock.generation, first_id / window_us);
    oldest := (turn - 1) * window_us;
    SELECT array_agg(k.job), array_agg(k.id) INTO known_job, known_id
    FROM (
        SELECT u.job, coalesce(
            (SELECT s.id FROM sent_0 s WHERE s.owner = u.sender AND s.client_id = u.client AND s.id >= oldest),
            (SELECT s.id FROM sent_1 s WHERE s.owner = u.sender AND s.client_id = u.client AND s.id >= oldest)) AS id
        FROM unnest(m_job, m_sender, m_client) u(job, sender, client)
        WHERE u.client IS NOT NULL
    ) k
    WHERE k.id <> first_id + k.job;
    known_job := coalesce(known_job, '{}');
    fenced := '{}';
    IF repeated THEN
        IF cardinality(f_job) > 0 THEN
            -- Whether they were held then is told by what was kept.
            SELECT coalesce(array_agg(u.job), '{}') INTO fenced FROM unnest(f_job) u(job)
            WHERE u.job <> ALL (known_job) AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = first_id + u.job);
        END IF;
        RETURN;
    END IF;
    IF cardinality(f_job) > 0 THEN
        -- Whoever takes one of these waits until this is committed, or this waits until he has it.
        PERFORM 1 FROM lease WHERE what = ANY (f_what) ORDER BY what FOR SHARE;
        SELECT coalesce(array_agg(u.job), '{}') INTO fenced
        FROM unnest(f_job, f_what, f_node, f_epoch) u(job, what, node, epoch)
        WHERE u.job <> ALL (known_job)
            AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.what = u.what AND l.node = u.node AND l.epoch = u.epoch);
    END IF;
    kept_out := known_job || fenced;

    INSERT INTO message (id, copies, words, text, xml, labels)
    SELECT first_id + u.job, u.copies, CASE WHEN u.until >= u.since THEN words[u.since:u.until] END, u.text, u.xml, u.labels
    FROM unnest(m_job, m_copies, m_text, m_xml, m_labels, m_from, m_to) u(job, copies, text, xml, labels, since, until)
    WHERE u.job <> ALL (kept_out);
    GET DIAGNOSTICS added = ROW_COUNT;

    INSERT INTO copy (owner, id, contact, kind)
    SELECT u.owner, first_id + u.job, u.contact, u.kind
    FROM unnest(c_job, c_owner, c_kind, c_contact) u(job, owner, kind, contact)
    WHERE u.job <> ALL (kept_out);

    IF cardinality(l_job) > 0 THEN
        INSERT INTO label (key, id)
        SELECT u.key, first_id + u.job FROM unnest(l_job, l_key) u(job, key) WHERE u.job <> ALL (kept_out)
        ON CONFLICT DO NOTHING;
    END IF;

    -- The table whose turn it is holds what is older than a whole window. Whoever reads it for long, as a dump does, keeps nobody
    -- from writing: then what is old stays in it for its next turn, and is not looked at.
    IF turn > clock.generation THEN
        patience := current_setting('lock_timeout');
        PERFORM set_config('lock_timeout', '100ms', true);
        BEGIN
            IF turn % 2 = 0 OR turn > clock.generation + 1 THEN
                TRUNCATE sent_0;
            END IF;
            IF turn % 2 = 1 OR turn > clock.generation + 1 THEN
                TRUNCATE sent_1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
        PERFORM set_config('lock_timeout', patience, true);
    END IF;
    IF turn % 2 = 0 THEN
        INSERT INTO sent_0 (owner, client_id, id)
        SELECT u.sender, u.client, first_id + u.job FROM unnest(m_job, m_sender, m_client) u(job, sender, client)
        WHERE u.client IS NOT NULL AND u.job <> ALL (kept_out)
        ON CONFLICT (owner, client_id) DO UPDATE SET id = excluded.id;
    ELSE
        INSERT INTO sent_1 (owner, client_id, id)
        SELECT u.sender, u.client, first_id + u.job FROM unnest(m_job, m_sender, m_client) u(job, sender, client)
        WHERE u.client IS NOT NULL AND u.job <> ALL (kept_out)
        ON CONFLICT (owner, client_id) DO UPDATE SET id = excluded.id;
    END IF;

    IF cardinality(s_job) > 0 THEN
        INSERT INTO state AS s (owner, kind, hash, key, position, content)
        SELECT u.owner, u.kind, u.hash, u.key, first_id + u.job, u.content
        FROM unnest(s_job, s_owner, s_kind, s_hash, s_key, s_content) u(job, owner, kind, hash, key, content)
        ON CONFLICT (owner, kind, hash) DO UPDATE SET position = excluded.position, content = excluded.content;
    END IF;

    INSERT INTO batch (number, node, own, first_id, last_id)
    VALUES (number, this_node, this_own, first_id, first_id + jobs - 1);
    UPDATE clock SET last_id = first_id + jobs - 1, batch = number, generation = turn, messages = messages + added;
END
$append$
