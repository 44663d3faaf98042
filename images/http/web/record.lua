-- One request as one line: words of hexadecimal, so that no byte a client sends can break the line.
-- Words: address, port, time, status, connection, body size, request line, raw header block, body.
local BODY_LIMIT = 32768
local HEADER_LIMIT = 16384

local record = {}
local out

local function hex(text, limit)
    if not text or text == "" then
        return "-"
    end
    return (text:sub(1, limit):gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

function record.open(path)
    out = assert(io.open(path, "a"))
end

-- Raw header blocks of requests under way: internal redirects clear ngx.ctx, and the log phase is too late
-- to ask. Every request reaches the log phase, which takes its block away.
local kept = {}

local function key()
    return ngx.var.connection .. "/" .. ngx.var.connection_requests
end

-- To be called with the whole header block parsed: ngx.req.raw_header crashes nginx on a request line that
-- was too long to be one, and nobody promises more for other broken ones.
local function keep_header()
    local ok, raw = pcall(ngx.req.raw_header, true)
    kept[key()] = ok and raw or nil
end

-- A location that answers without reading the body would leave it unseen.
function record.rewrite()
    if not kept[key()] then
        keep_header()
    end
    ngx.req.read_body()
end

-- Refused before the rewrite phase, but only for what the whole header block says.
local COMPLETE = { [405] = true, [413] = true, [501] = true }

function record.filter_header()
    if COMPLETE[ngx.status] and not kept[key()] then
        keep_header()
    end
end

-- The headers that were parsed before a request turned out to be broken; their order is lost.
local function parsed_headers()
    local lines = {}
    for name, value in pairs(ngx.req.get_headers(100, true)) do
        for _, one in ipairs(type(value) == "table" and value or { value }) do
            lines[#lines + 1] = name .. ": " .. tostring(one)
        end
    end
    return table.concat(lines, "\r\n")
end

function record.write()
    local var = ngx.var
    local body = var.request_body
    local raw = kept[key()] or parsed_headers()
    kept[key()] = nil
    local size = body and #body or tonumber(var.content_length) or 0
    out:write(table.concat({
        var.remote_addr, var.remote_port, var.msec, var.status, var.connection, size,
        hex(var.request, HEADER_LIMIT), hex(raw, HEADER_LIMIT), hex(body, BODY_LIMIT),
    }, " "), "\n")
    out:flush()
end

return record
